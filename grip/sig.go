package grip

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// MaxSigLen is the longest Grip-Sig that is looked at, in bytes. A genuine one
// is a few hundred; the limit keeps a flood from costing more than its length.
const MaxSigLen = 8192

// Why a request does not count as coming from the proxy. Test with errors.Is.
var (
	// ErrNoSig is returned where the request has no Grip-Sig.
	ErrNoSig = errors.New("no Grip-Sig")
	// ErrBadSig is returned where no configured key made the signature, or
	// the token is malformed, too long, or lacks a claim.
	ErrBadSig = errors.New("invalid Grip-Sig")
	// ErrSigExpired is returned where the signature is genuine and its time is over.
	ErrSigExpired = errors.New("expired Grip-Sig")
)

// Verifier decides from Grip-Sig whether a request came through a configured
// proxy. The zero Verifier knows no proxy and accepts nothing.
type Verifier struct {
	trust    []trustedKey
	unsigned bool
}

type trustedKey struct {
	issuer string
	key    Key
}

// NewVerifier trusts the given proxies. A proxy's VerifyKey counts, else its
// Key where that is symmetric. If every proxy has one, a valid signature from
// one of them is required; if any has none, then every request with a Grip-Sig
// counts as proxied, because that proxy's cannot be told from others.
func NewVerifier(proxies []Proxy) Verifier {
	var v Verifier
	for _, p := range proxies {
		key := p.VerifyKey
		if key.IsZero() && p.Key.Symmetric() {
			key = p.Key
		}
		if key.IsZero() {
			v.unsigned = true
			continue
		}
		v.trust = append(v.trust, trustedKey{issuer: p.VerifyIssuer, key: key})
	}
	return v
}

// SignatureRequired reports whether a valid signature is needed, rather than
// the mere presence of Grip-Sig, which any client can forge.
func (v Verifier) SignatureRequired() bool { return !v.unsigned }

// Proxied reports whether a request with this Grip-Sig came through a
// configured proxy; it is Verify without the reason.
func (v Verifier) Proxied(gripSig string, now time.Time) bool { return v.Verify(gripSig, now) == nil }

// Verify returns nil if a request with this Grip-Sig came through a configured
// proxy, else [ErrNoSig], [ErrSigExpired] or [ErrBadSig].
func (v Verifier) Verify(gripSig string, now time.Time) error {
	switch {
	case gripSig == "":
		return ErrNoSig
	case v.unsigned:
		return nil
	case len(gripSig) > MaxSigLen:
		return fmt.Errorf("%w: longer than %d bytes", ErrBadSig, MaxSigLen)
	}
	reason := fmt.Errorf("%w: no key to verify it", ErrBadSig)
	known := false
	for _, t := range v.trust {
		genuine, err := t.verify(gripSig, now)
		if err == nil {
			return nil
		}
		// What is wrong with a token of ours tells more than that it is not another's.
		if genuine || !known {
			reason, known = err, genuine
		}
	}
	return reason
}

// verify also reports whether the key has made the token, valid or not.
func (t trustedKey) verify(gripSig string, now time.Time) (genuine bool, err error) {
	// The key decides the algorithm, never the token: a token that names
	// another, or none, fails to parse.
	token, err := jwt.ParseSigned(gripSig, []jose.SignatureAlgorithm{t.key.material.algorithm})
	if err != nil {
		return false, fmt.Errorf("%w: not a token of algorithm %s", ErrBadSig, t.key.Algorithm())
	}
	var claims jwt.Claims
	if err := token.Claims(t.key.material.verify, &claims); err != nil {
		return false, fmt.Errorf("%w: not made with the key", ErrBadSig)
	}
	switch {
	case claims.Expiry == nil:
		return true, fmt.Errorf("%w: no exp", ErrBadSig)
	case t.issuer != "" && claims.Issuer != t.issuer:
		return true, fmt.Errorf("%w: issuer is %.100q, not %q", ErrBadSig, claims.Issuer, t.issuer)
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now):
		return true, fmt.Errorf("%w: not valid yet", ErrBadSig)
	case !now.Before(claims.Expiry.Time()):
		return true, ErrSigExpired
	}
	return true, nil
}
