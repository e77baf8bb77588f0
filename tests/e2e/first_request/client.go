// SPDX-License-Identifier: Apache-2.0
// client HOST PORT CERTS N: as client.py, with Go's crypto/tls and Nagle's algorithm on (Go's own default is off).
package main

import (
    "crypto/tls"
    "fmt"
    "net"
    "os"
    "sort"
    "strconv"
    "time"
)

func once(address string, config *tls.Config) (time.Duration, error) {
    began := time.Now()
    plain, err := net.Dial("tcp", address)
    if err != nil {
        return 0, err
    }
    defer plain.Close()
    if err = plain.(*net.TCPConn).SetNoDelay(false); err != nil {
        return 0, err
    }
    conn := tls.Client(plain, config)
    if _, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
        return 0, err
    }
    _, err = conn.Read(make([]byte, 4096))
    return time.Since(began), err
}

func main() {
    own, err := tls.LoadX509KeyPair(os.Args[3]+"/web.pem", os.Args[3]+"/web.key")
    count, _ := strconv.Atoi(os.Args[4])
    var times []time.Duration
    for i := 0; i < count && err == nil; i++ {
        var took time.Duration
        // What is measured is time: the callee is judged by the other clients.
        took, err = once(net.JoinHostPort(os.Args[1], os.Args[2]),
            &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true})
        times = append(times, took)
    }
    if err != nil {
        fmt.Fprintln(os.Stderr, err)
        os.Exit(1)
    }
    sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
    fmt.Printf("%.1f\n", float64(times[len(times)/2].Microseconds())/1000)
}
