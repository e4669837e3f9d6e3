"""The causes that lie on the way to the vendor: network, proxy and TLS."""

from licensing.vendor.faults import ProxyFault, TlsFault, Unreachable, gettext_noop


class DnsFailed(Unreachable):
    code = "dns_failed"
    msgid = gettext_noop(
        "The vendor's server %(host)s:%(port)s was not found: its name could not be resolved. Check the DNS "
        "servers of this computer; if it reaches the Internet only through a proxy, set the proxy in the "
        "Configuration."
    )


class ConnectRefused(Unreachable):
    code = "connect_refused"
    msgid = gettext_noop(
        "%(host)s refused the connection to port %(port)s. Allow outgoing connections to %(host)s:%(port)s "
        "in the firewall; if they are allowed, the vendor's server is down and will be tried again."
    )


class ConnectTimeout(Unreachable):
    code = "connect_timeout"
    msgid = gettext_noop(
        "%(host)s did not take the connection to port %(port)s within %(seconds)s s. A firewall that drops "
        "packets looks like this: allow outgoing connections to %(host)s:%(port)s, or set the proxy in the "
        "Configuration."
    )


class NoRoute(Unreachable):
    code = "no_route"
    msgid = gettext_noop(
        "There is no way from this computer to %(host)s:%(port)s. Check its network cable, its gateway and "
        "its routes; if it reaches the Internet only through a proxy, set the proxy in the Configuration."
    )


class ConnectionLost(Unreachable):
    code = "connection_lost"
    msgid = gettext_noop(
        "The connection to %(host)s:%(port)s was closed before the whole answer had come. If this happens "
        "each time, a firewall or virus scanner on the way cuts it: let connections to %(host)s:%(port)s "
        "pass untouched."
    )


class TooSlow(Unreachable):
    code = "too_slow"
    msgid = gettext_noop(
        "%(host)s:%(port)s took the connection, but did not give its whole answer within %(seconds)s s. It "
        "will be tried again; if this lasts, look for a firewall or virus scanner that holds up connections "
        "to %(host)s:%(port)s."
    )


class ProxyDnsFailed(ProxyFault):
    code = "proxy_dns_failed"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s, on the way to %(host)s:%(port)s, was not found: its name "
        "could not be resolved. Correct the proxy's host in the Configuration or the DNS servers of this "
        "computer."
    )


class ProxyUnreachable(ProxyFault):
    code = "proxy_unreachable"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s, on the way to %(host)s:%(port)s, does not take "
        "connections. Correct the proxy's host and port in the Configuration, or see that it is running."
    )


class ProxyLogin(ProxyFault):
    code = "proxy_login"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s, on the way to %(host)s:%(port)s, refused the log-in. "
        "Enter the proxy's log-in and password in the Configuration anew; the proxy must accept “Basic”."
    )


class ProxyRefused(ProxyFault):
    code = "proxy_refused"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s answered, but opened no way to %(host)s:%(port)s (status "
        "%(status)s). Allow %(host)s:%(port)s in the proxy, and see that the proxy itself can reach it."
    )


class ProxyLost(ProxyFault):
    code = "proxy_lost"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s closed the connection instead of opening the way to "
        "%(host)s:%(port)s. See that this is the port of an HTTP proxy and that it allows this computer."
    )


class ProxyTooSlow(ProxyFault):
    code = "proxy_too_slow"
    msgid = gettext_noop(
        "The proxy %(proxy_host)s:%(proxy_port)s took the connection, but opened no way to %(host)s:%(port)s "
        "within %(seconds)s s. See that the proxy can reach %(host)s:%(port)s and that this is its HTTP port."
    )


class TlsUntrusted(TlsFault):
    code = "tls_untrusted"
    msgid = gettext_noop(
        "The certificate shown at %(host)s:%(port)s was issued by “%(issuer)s”, which this computer does not "
        "trust. If that is your company's firewall or proxy, enter its CA certificate in the Configuration, "
        "Advanced, Proxy (or KEYMANAGER_CA_FILE), or let connections to %(host)s:%(port)s pass untouched."
    )


class TlsExpired(TlsFault):
    code = "tls_expired"
    msgid = gettext_noop(
        "The certificate of %(host)s:%(port)s, issued by “%(issuer)s”, ran out on %(not_after)s by this "
        "computer's clock. Check the clock and the date of this computer; if they are right, whoever runs "
        "%(host)s:%(port)s has to renew the certificate."
    )


class TlsNotYetValid(TlsFault):
    code = "tls_not_yet_valid"
    msgid = gettext_noop(
        "The certificate of %(host)s:%(port)s, issued by “%(issuer)s”, is good only from %(not_before)s on, "
        "which by this computer's clock is yet to come. Set the clock and the date of this computer."
    )


class TlsWrongHost(TlsFault):
    code = "tls_wrong_host"
    msgid = gettext_noop(
        "The certificate shown at %(host)s:%(port)s is not for %(host)s but for %(names)s. Check "
        "KEYMANAGER_AUTHORITY_URL and the DNS entry of %(host)s; something else may be answering there."
    )


class TlsFailed(TlsFault):
    code = "tls_failed"
    msgid = gettext_noop(
        "No secure connection (TLS 1.2 or newer) could be agreed on with %(host)s:%(port)s (%(reason)s). "
        "Check that this is the right port, and that no firewall or proxy in between changes the connection."
    )
