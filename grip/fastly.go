package grip

import (
	"crypto/ecdsa"
	"errors"
	"net/url"
	"strings"
)

// FastlyKey is the public key, as a JWK, of the key that Fastly Fanout signs with, as Fastly publishes it. It signs for the services of all
// customers: only the issuer tells whose service a request came through.
const FastlyKey = `{"kty":"EC","crv":"P-256","x":"CKo5A1ebyFcnmVV8SE5On-8G81JyBjSvcrx4VLetWCg","y":"7gwJqaU6N8TP88--twjkwoB36f-pT3QsmI46nPhjO7M"}`

// fastlyAPI is the host that publishes to the services of Fastly Fanout.
const fastlyAPI = "api.fastly.com"

// completeFastly gives a service of Fastly Fanout what its URL leaves open: Fastly's key, and the service as the issuer.
func (p *Proxy) completeFastly(u *url.URL) error {
	if u.Hostname() == fastlyAPI {
		service, ok := strings.CutPrefix(strings.TrimSuffix(u.EscapedPath(), "/"), "/service/")
		switch {
		case u.Scheme != "https":
			// The key is an API token, which would go over the network in the clear.
			return errors.New("scheme must be https for Fastly")
		case !ok || service == "" || strings.ContainsAny(service, "/%"):
			return errors.New("want https://" + fastlyAPI + "/service/SERVICE?key=TOKEN for Fastly")
		}
		if p.VerifyKey.IsZero() {
			key, err := ParseKey(FastlyKey)
			if err != nil {
				return err
			}
			p.VerifyKey = key
			if p.VerifyIssuer == "" {
				p.VerifyIssuer = "fastly:" + service
			}
		}
	}
	if p.VerifyIssuer == "" && p.VerifyKey.isFastly() {
		// Whoever has a service at Fastly could name our address as its backend, and would be believed.
		return errors.New("verify-key is Fastly's, which signs for every customer: give verify-iss=fastly:SERVICE as well")
	}
	return nil
}

// isFastly tells whether it is the key that FastlyKey describes.
func (k Key) isFastly() bool {
	fastly, err := ParseKey(FastlyKey)
	if err != nil || k.IsZero() {
		return false
	}
	public, ok := k.material.verify.(*ecdsa.PublicKey)
	return ok && public.Equal(fastly.material.verify)
}
