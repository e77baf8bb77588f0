// SPDX-License-Identifier: Apache-2.0
// client.js HOST PORT CERTS N: as client.py, with Node's tls.
const fs = require('fs');
const tls = require('tls');

const [host, port, certs, count] = process.argv.slice(2);
const read = (name) => fs.readFileSync(`${certs}/${name}`);
const options = {host, port: Number(port), ca: read('bundle.pem'), cert: read('web.pem'), key: read('web.key'),
    checkServerIdentity: () => undefined};
const times = [];

function once() {
    const began = process.hrtime.bigint();
    const socket = tls.connect(options, () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
    socket.on('error', (error) => { console.error(error.message); process.exit(1); });
    socket.once('data', () => {
        times.push(Number(process.hrtime.bigint() - began) / 1e6);
        socket.destroy();
        if (times.length < Number(count)) {
            once();
        } else {
            times.sort((a, b) => a - b);
            console.log(times[times.length >> 1].toFixed(1));
        }
    });
}

once();
