// SPDX-License-Identifier: Apache-2.0
// node http_peer.js serve PORT LOG [lenient]	as http_server.py, with node's http
// node http_peer.js get URL COUNT		GETs with fetch, a status per line
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const [mode, ...args] = process.argv.slice(2);

function serve(port, path, lenient) {
	const log = fs.openSync(path, 'a');
	const note = (status, request) =>
		fs.writeSync(log, `${status} ${request.method} ${request.url}\n`);
	const options = {
		insecureHTTPParser: lenient === 'lenient',
		maxHeaderSize: 80 * 1024,
		requireHostHeader: false,
		requestTimeout: 0,
		headersTimeout: 0,
		keepAliveTimeout: 60000,
		noDelay: true,
	};
	const echo = (status) => (request, socket, head) => {
		note(status, request);
		socket.on('error', () => socket.destroy());
		socket.write(status === 101 ?
			'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n' :
			'HTTP/1.1 200 OK\r\n\r\n');
		if (head.length)
			socket.write(head);
		socket.pipe(socket);
	};
	const server = http.createServer(options, (request, response) => {
		const digest = crypto.createHash('sha256');
		let length = 0;
		note(200, request);
		request.on('data', (data) => {
			length += data.length;
			digest.update(data);
		});
		request.on('error', () => {});
		request.on('end', () => {
			const line = `${request.method} ${request.url} ${length} ${digest.digest('hex')}\n`;
			response.writeHead(200, { 'Content-Length': Buffer.byteLength(line, 'latin1') });
			response.end(request.method === 'HEAD' ? undefined : Buffer.from(line, 'latin1'));
		});
	});
	server.on('connect', echo(200));
	server.on('upgrade', echo(101));
	server.listen(Number(port), '::');
}

async function get(url, count) {
	for (let i = 0; i < Number(count); i++) {
		const response = await fetch(url);
		await response.arrayBuffer();
		console.log(response.status);
	}
}

if (mode === 'serve')
	serve(...args);
else
	get(...args).catch((problem) => {
		console.error(problem.cause || problem);
		process.exit(1);
	});
