# SPDX-License-Identifier: Apache-2.0
"""Real HTTP servers as commands of pods. All listen on port 80 of both families, are set as
lenient as they can be, and log every request that they believe they received."""
import collections
import os
import pathlib
import shutil
import subprocess

from mesh import HERE, PYTHON
from api import BUILD  # mesh says where it is

PORT = 80
BACKEND = 9000  # a pod's own http_server.py, behind those that forward
FILE_SIZES = (0, 1, 4096, 3000000)
GO = shutil.which("go") or "/usr/local/go/bin/go"
BUILT = BUILD / "tests" / "e2e"

NGINX = """daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 2000; }}
http {{
  log_format seen '$status $request_method $request_uri';
  access_log {log} seen;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/plain;
  merge_slashes off; ignore_invalid_headers off; underscores_in_headers on;
  client_max_body_size 0; client_header_buffer_size 64k; large_client_header_buffers 8 128k;
  server {{
    listen [::]:{port} ipv6only=off backlog=1024;
    location /ok/files/ {{ alias {files}/; }}
    # of no known length, for all that nginx knows
    location /ok/chunked/ {{ alias {files}/; ssi on; ssi_types *; }}
    location /ok/upload {{
      proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; proxy_request_buffering off;
    }}
    location / {{ return 200 "$request_method $request_uri\\n"; }}
  }}
}}
"""
# The answer to everything is one file, with whatever follows as its PATH_INFO.
HTTPD = """ServerName pod
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
Listen {port}
ThreadsPerChild 32
MaxRequestWorkers 128
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestLine 66000
LimitRequestFieldSize 66000
LogFormat "%>s %r" seen
CustomLog {log} seen
EnableSendfile On
TraceEnable On
HttpProtocolOptions Unsafe LenientMethods Allow0.9
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPass /ok/upload http://127.0.0.1:{backend}/ok/upload
Alias /ok/files/ {files}/
AliasMatch ^ {files}/4096
<Directory {files}>
  AcceptPathInfo On
  Require all granted
</Directory>
"""
HAPROXY = """global
  maxconn 2000
  tune.http.logurilen 65535
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {options}
frontend pod
  bind :::{port} v4v6
  {frontend}
  default_backend behind
backend behind
  server behind 127.0.0.1:{backend}
"""

Server = collections.namedtuple("Server", "name missing start backend")
Server.__doc__ = """`missing()`: why the machine cannot run it, with the remedy, or None;
`start(place)`: its shell command; `backend`: does it need http_server.py in its pod?"""


class Place:
    """The files of one server's pod."""

    def __init__(self, root, name):
        self.folder = pathlib.Path(root, "http-" + name)
        self.folder.mkdir()
        self.log, self.backend_log = self.folder / "log", self.folder / "backend-log"
        self.files = pathlib.Path(root, "files")
        if not self.files.exists():
            self.files.mkdir()
            for size in FILE_SIZES:
                (self.files / str(size)).write_bytes((bytes(range(256)) * (size // 256 + 1))[:size])
        pathlib.Path(root).chmod(0o755)  # httpd gives up being root

    def write(self, name, text, **more):
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, log=self.log, files=self.files, port=PORT,
                                    backend=BACKEND, **more), encoding="utf-8")
        return path


def needs(program, package):
    def missing():
        path = os.environ["PATH"] + ":/usr/sbin"
        return None if shutil.which(program, path=path) else \
            "%s is not installed: run scripts/setup.sh test (package %s)" % (program, package)
    return missing


def needs_go():
    return None if os.access(GO, os.X_OK) else "Go is not on this machine: install it to have its " \
        "net/http tested (package golang-go)"


def needs_java():
    return None if shutil.which("javac") else "javac is not on this machine: install a JDK to have " \
        "its HTTP server and client tested (package openjdk-17-jdk-headless)"


def built(source, target, command):
    """The target, made anew when its source is newer."""
    source, target = HERE / source, BUILT / target
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ, GOPROXY="off", GOFLAGS="-mod=mod", GOTOOLCHAIN="local", CGO_ENABLED="0")
        done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False,
                              env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
    return target


def go_program():
    return str(built("http_peer.go", "http_peer", [GO, "build", "-o", str(BUILT / "http_peer")]))


def java_command():
    built("HttpPeer.java", "HttpPeer.class", ["javac", "-d", str(BUILT)])
    options = ["-XX:TieredStopAtLevel=1", "-Dsun.net.httpserver.nodelay=true"]
    return ["java", "-Xshare:auto", *options, "-cp", str(BUILT), "HttpPeer"]


def nginx(place):
    return "nginx -c %s" % place.write("nginx.conf", NGINX)


def httpd(place):
    return "apache2 -DFOREGROUND -f %s" % place.write("httpd.conf", HTTPD, modules="/usr/lib/apache2/modules")


def haproxy_http(place):
    path = place.write("haproxy.cfg", HAPROXY, options="mode http\n  option accept-invalid-http-request",
                       frontend="log stdout len 65535 format raw daemon\n  log-format \"%ST %HM %HU\"")
    return "haproxy -db -f %s >>%s" % (path, place.log)


def haproxy_tcp(place):
    path = place.write("haproxy.cfg", HAPROXY, options="mode tcp\n  option splice-auto", frontend="")
    return "haproxy -db -f %s" % path


def python(place):
    return "%s %s %d %s" % (PYTHON, HERE / "http_server.py", PORT, place.log)


def node(place, *options):
    return " ".join(["node", str(HERE / "http_peer.js"), "serve", str(PORT), str(place.log), *options])


def go(place):
    return "%s serve %d %s %s" % (go_program(), PORT, place.log, place.files)


def java(place):
    return " ".join([*java_command(), "serve", str(PORT), str(place.log)])


SERVERS = {server.name: server for server in (
    Server("nginx", needs("nginx", "nginx-light"), nginx, True),
    Server("httpd", needs("apache2", "apache2-bin"), httpd, True),
    Server("node", needs("node", "nodejs"), node, False),
    Server("node-lenient", needs("node", "nodejs"), lambda place: node(place, "lenient"), False),
    Server("python", lambda: None, python, False),
    Server("haproxy-http", needs("haproxy", "haproxy"), haproxy_http, True),
    Server("haproxy-tcp", needs("haproxy", "haproxy"), haproxy_tcp, True),
    Server("go", needs_go, go, False),
    Server("java", needs_java, java, False),
)}
# What a server says about requests that it refused to understand.
NOT_UNDERSTOOD = {"0", "-1", "400", "408", "411", "413", "414", "417", "431", "499", "501", "505", "<BADREQ>"}


class Log:
    """What the server of a place believes it received."""

    def __init__(self, place):
        self.paths = (place.log, place.backend_log)

    def lines(self):
        for path in self.paths:
            if path.exists():
                for line in path.read_text(encoding="latin-1").splitlines():
                    yield line

    def requests(self):
        """(method, target) of each request; httpd's lines have the version as well."""
        for line in self.lines():
            words = line.split(" ")
            if words[0] not in NOT_UNDERSTOOD:
                yield tuple((words[1:] + ["", ""])[:2])


def command(server, place):
    """The command of its pod."""
    script = "exec " + server.start(place)
    if server.backend:
        # A relay turns what cuts a head short, whoever sent it, into a FIN, which says nothing to a
        # server that answers what it has.
        script = "%s %s %d %s whole & %s" % (PYTHON, HERE / "http_server.py", BACKEND, place.backend_log, script)
    return ["sh", "-c", script]
