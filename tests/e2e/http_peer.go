// SPDX-License-Identifier: Apache-2.0

// http_peer serve PORT LOG FOLDER	as http_server.py, with net/http; files of FOLDER at /ok/files/
// http_peer get URL COUNT		GETs over one keep-alive connection, a status per line
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func echo(writer http.ResponseWriter, head string) {
	connection, buffered, err := writer.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	io.WriteString(connection, head)
	io.Copy(connection, buffered)
}

func serve(port, path, folder string) error {
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	note := func(status int, request *http.Request) {
		fmt.Fprintf(log, "%d %s %s\n", status, request.Method, request.RequestURI)
	}
	handle := func(writer http.ResponseWriter, request *http.Request) {
		switch {
		case request.Method == http.MethodConnect:
			note(200, request)
			echo(writer, "HTTP/1.1 200 OK\r\n\r\n")
			return
		case strings.EqualFold(request.Header.Get("Upgrade"), "websocket"):
			note(101, request)
			echo(writer, "HTTP/1.1 101 Switching Protocols\r\n"+
				"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			return
		}
		note(200, request)
		if name, found := strings.CutPrefix(request.RequestURI, "/ok/files/"); found {
			http.ServeFile(writer, request, filepath.Join(folder, filepath.Base(name)))
			return
		}
		digest := sha256.New()
		length, _ := io.Copy(digest, request.Body)
		line := fmt.Sprintf("%s %s %d %x\n", request.Method, request.RequestURI, length, digest.Sum(nil))
		writer.Header().Set("Content-Length", strconv.Itoa(len(line)))
		io.WriteString(writer, line)
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	// http.Serve without a ServeMux, which would redirect some paths.
	return http.Serve(listener, http.HandlerFunc(handle))
}

func get(url string, count int) error {
	for i := 0; i < count; i++ {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		fmt.Println(response.StatusCode)
	}
	return nil
}

func main() {
	var err error
	if os.Args[1] == "serve" {
		err = serve(os.Args[2], os.Args[3], os.Args[4])
	} else {
		count, _ := strconv.Atoi(os.Args[3])
		err = get(os.Args[2], count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
