"""The client that carries the vendor protocol's messages over HTTP(S) and proxies; knows no models."""
