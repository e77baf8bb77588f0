// SPDX-License-Identifier: Apache-2.0
// client.java HOST PORT CERTS N: as client.py, with Java's SSLSocket.
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class client {
    // What is measured is time: the callee is judged by the other clients.
    static class Anybody implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}
        public void checkServerTrusted(X509Certificate[] chain, String type) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    public static void main(String[] arguments) throws Exception {
        char[] password = "sample".toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(arguments[2] + "/web.p12"), password);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys.getKeyManagers(), new TrustManager[] {new Anybody()}, null);
        double[] times = new double[Integer.parseInt(arguments[3])];
        for (int i = 0; i < times.length; i++) {
            long began = System.nanoTime();
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(
                    arguments[0], Integer.parseInt(arguments[1]))) {
                socket.startHandshake();
                socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".getBytes());
                if (socket.getInputStream().read(new byte[4096]) <= 0) {
                    throw new Exception("no answer");
                }
            }
            times[i] = (System.nanoTime() - began) / 1e6;
        }
        Arrays.sort(times);
        System.out.printf("%.1f%n", times[times.length / 2]);
    }
}
