package notice_test

import (
	"crypto/x509"
	"net/http/httptest"
)

type certs = x509.CertPool

func rootsOf(s *httptest.Server) *certs {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}
