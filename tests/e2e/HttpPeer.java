// SPDX-License-Identifier: Apache-2.0

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.Executors;

/**
 * HttpPeer serve PORT LOG: as http_server.py, with com.sun.net.httpserver.
 * HttpPeer get URL COUNT: GETs with java.net.http over HTTP/1.1, a status per line.
 */
public final class HttpPeer {
	private static OutputStream log;

	private static synchronized void note(int status, HttpExchange exchange) throws IOException {
		String line = status + " " + exchange.getRequestMethod() + " " + exchange.getRequestURI() + "\n";
		log.write(line.getBytes(StandardCharsets.ISO_8859_1));
	}

	private static void answer(HttpExchange exchange) throws IOException {
		note(200, exchange);
		try {
			MessageDigest digest = MessageDigest.getInstance("SHA-256");
			byte[] piece = new byte[65536];
			long length = 0;
			try (InputStream body = exchange.getRequestBody()) {
				for (int n = body.read(piece); n >= 0; n = body.read(piece)) {
					digest.update(piece, 0, n);
					length += n;
				}
			}
			byte[] line = (exchange.getRequestMethod() + " " + exchange.getRequestURI() + " " + length
				+ " " + HexFormat.of().formatHex(digest.digest()) + "\n")
				.getBytes(StandardCharsets.ISO_8859_1);
			boolean head = exchange.getRequestMethod().equals("HEAD");
			exchange.sendResponseHeaders(200, head ? -1 : line.length);
			if (!head)
				exchange.getResponseBody().write(line);
		} catch (java.security.NoSuchAlgorithmException impossible) {
			throw new IllegalStateException(impossible);
		} finally {
			exchange.close();
		}
	}

	private static void serve(int port, String path) throws IOException {
		log = new FileOutputStream(path, true);
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 1024);
		server.setExecutor(Executors.newCachedThreadPool());
		server.createContext("/", HttpPeer::answer);
		server.start();
	}

	private static void get(String url, int count) throws IOException, InterruptedException {
		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
		HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
		for (int i = 0; i < count; i++)
			System.out.println(client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
	}

	public static void main(String[] args) throws IOException, InterruptedException {
		if (args[0].equals("serve"))
			serve(Integer.parseInt(args[1]), args[2]);
		else
			get(args[1], Integer.parseInt(args[2]));
	}
}
