"""Redirects and rewrites of path and host."""


from tests.parity.case import Case, ask, get, request


def redirect(name: str, want: str, action: str, *targets: str, match: str = "prefix: /") -> Case:
    return Case(f"redirect-{name}", want, get(*targets), routes=f"- {{match: {{{match}}}, redirect: {{{action}}}}}")


def rewrite(name: str, action: str, *targets: str, match: str = "prefix: /", host: str = "a.test") -> Case:
    return Case(
        f"rewrite-{name}",
        " ".join(["200"] * len(targets)),
        (ask(*(request(target, "X-New: new.test", host=host) for target in targets)),),
        routes=f"- {{match: {{{match}}}, route: {{cluster: $up, {action}}}}}",
    )


CASES = (
    redirect("https", "301 301", "https_redirect: true", "/x?y=1", "/"),
    redirect("scheme", "301", "scheme_redirect: ftp", "/x"),
    redirect("host", "301", "host_redirect: other.test", "/x?y=1"),
    redirect("port", "301", "port_redirect: 8080", "/x"),
    redirect("host-port-https", "301", "host_redirect: other.test, port_redirect: 8443, https_redirect: true", "/x"),
    redirect("path", "301 301", "path_redirect: /new", "/x?y=1", "/"),
    redirect("path-with-query", "301", "path_redirect: '/new?z=2'", "/x?y=1"),
    redirect("prefix", "301 301", "prefix_rewrite: /new", "/old/x?y=1", "/old", match="prefix: /old"),
    redirect("regex", "301", "regex_rewrite: {pattern: {regex: '^/old/([a-z]+)'}, substitution: '/new/\\1'}",
             "/old/abc/d?y=1"),
    redirect("strip-query", "301 301", "path_redirect: /new, strip_query: true", "/x?y=1", "/x"),
    redirect("302", "302", "path_redirect: /n, response_code: FOUND", "/"),
    redirect("303", "303", "path_redirect: /n, response_code: SEE_OTHER", "/"),
    redirect("307", "307", "path_redirect: /n, response_code: TEMPORARY_REDIRECT", "/"),
    redirect("308", "308", "path_redirect: /n, response_code: PERMANENT_REDIRECT", "/"),
    Case("redirect-host-with-port", "301 301 301", (ask(
        request("/", host="a.test:8080"), request("/", host="a.test:80"), request("/", host="[::1]:80")),),
        routes="- {match: {prefix: /}, redirect: {https_redirect: true}}"),
    Case("redirect-header-rules", "301", get("/"), routes="""
- match: {prefix: /}
  redirect: {path_redirect: /n}
  response_headers_to_add: [{header: {key: x-r, value: '%REQUEST_HEADER(:path)%'}}]"""),
    Case("redirect-not-modified-post", "301", (ask(request("/", method="POST", body=b"abc")),),
         routes="- {match: {prefix: /}, redirect: {https_redirect: true}}"),
    rewrite("prefix", "prefix_rewrite: /new", "/old", "/old/x?y=1", "/oldest", match="prefix: /old"),
    rewrite("prefix-slash", "prefix_rewrite: /", "/old/", "/old/x", match="prefix: /old/"),
    rewrite("prefix-root", "prefix_rewrite: /new", "/", "/x"),
    rewrite("prefix-path-match", "prefix_rewrite: /new", "/old?z", match="path: /old"),
    rewrite("prefix-case", "prefix_rewrite: /new", "/OLD/x", match="prefix: /old, case_sensitive: false"),
    rewrite("prefix-separated", "prefix_rewrite: /new", "/old", "/old/x", match="path_separated_prefix: /old"),
    rewrite("regex", "regex_rewrite: {pattern: {regex: '/([0-9]+)'}, substitution: '/n\\1/\\1'}",
            "/1/22?x=/3", "/none"),
    rewrite("regex-group-zero", "regex_rewrite: {pattern: {regex: '^/service/([^/]+)(/.*)$'}, "
            "substitution: '\\2/instance/\\1'}", "/service/foo/v1/api"),
    rewrite("path", "path_rewrite: '/fixed/%REQUEST_HEADER(x-new)%'", "/x?y=1"),
    rewrite("host-literal", "host_rewrite_literal: new.test", "/"),
    rewrite("host-header", "host_rewrite_header: x-new", "/"),
    rewrite("host-path-regex",
            "host_rewrite_path_regex: {pattern: {regex: '^/(.+)/.+$'}, substitution: '\\1.test'}", "/sub/x"),
    rewrite("host-forwarded", "host_rewrite_literal: new.test, append_x_forwarded_host: true", "/"),
    rewrite("host-same", "host_rewrite_literal: a.test, append_x_forwarded_host: true", "/"),
    rewrite("both", "prefix_rewrite: /p, host_rewrite_literal: new.test", "/x"),
    Case("rewrite-original-path-spoofed", "200", (ask(request("/old/a", "x-envoy-original-path: /evil")),),
         routes="- {match: {prefix: /old}, route: {cluster: $up, prefix_rewrite: /new}}"),
    Case("rewrite-auto-host-static", "200", get("/"),
         routes="- {match: {prefix: /}, route: {cluster: $up, auto_host_rewrite: true}}"),
)
