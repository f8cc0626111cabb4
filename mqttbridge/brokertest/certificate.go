package brokertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates makes an authority, a certificate for the broker and one for a client.
func (b *Broker) certificates() {
	b.t.Helper()
	caKey, ca := b.key(), template("griphub test authority of "+b.Addr) // authorities of one name would be taken for each other
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	b.CAFile = b.pem("ca.pem", "CERTIFICATE", b.sign(ca, ca, caKey, caKey))

	b.authority, b.authorityKey = ca, caKey

	server := template("127.0.0.1")
	if b.expired {
		server.NotAfter = time.Now().Add(-time.Minute)
	}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	cert, key := b.pair("server", server, ca, caKey)
	b.line("cafile %s\ncertfile %s\nkeyfile %s", b.CAFile, cert, key)

	b.CertFile, b.KeyFile = b.Client("client", time.Now().Add(24*time.Hour))
}

// Client makes a client's certificate that ends at the time, and returns it and its key as files of these names.
func (b *Broker) Client(name string, end time.Time) (certFile, keyFile string) {
	b.t.Helper()
	client := template("griphub")
	client.NotAfter, client.ExtKeyUsage = end, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return b.pair(name, client, b.authority, b.authorityKey)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func (b *Broker) pair(name string, cert, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (certFile, keyFile string) {
	b.t.Helper()
	key := b.key()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.pem(name+".pem", "CERTIFICATE", b.sign(cert, ca, key, caKey)), b.pem(name+".key", "EC PRIVATE KEY", der)
}

func (b *Broker) key() *ecdsa.PrivateKey {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	return key
}

func (b *Broker) sign(cert, ca *x509.Certificate, key, caKey *ecdsa.PrivateKey) []byte {
	b.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
	if err != nil {
		b.t.Fatal(err)
	}
	return der
}

func (b *Broker) pem(name, kind string, der []byte) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}
