package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxJWKS bounds the issuer's answer, in bytes.
	maxJWKS = 256 << 10
	// jwksLife is how long keys are used before the issuer is asked for them again.
	jwksLife = time.Hour
	// jwksPause is the shortest time between two questions, so that tokens with made-up kids cost the issuer
	// nothing. Without any keys nobody can sign in, and the issuer is asked a little more often.
	jwksPause, jwksFirstPause = 30 * time.Second, 5 * time.Second
	// minRSABits is what RS256 asks of a key (RFC 7518, section 3.3).
	minRSABits = 2048
)

// JWKSOptions are what a JWKS works with. All are required.
type JWKSOptions struct {
	// URL is where the issuer publishes its keys, http or https.
	URL string
	// Algorithm is RS256, ES256 or EdDSA.
	Algorithm jose.SignatureAlgorithm
	// Timeout bounds one question, and so how long a visitor waits for keys.
	Timeout time.Duration
	Logger  *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// A JWKS is the issuer's published set of keys (RFC 7517, section 5). The issuer is asked when a token first needs a
// key, when one names a key that is not known, and when the keys are an hour old, at most every 30 s. While the issuer
// does not answer, the last keys hold.
type JWKS struct {
	upstream  *upstream
	algorithm jose.SignatureAlgorithm
	now       func() time.Time

	mu sync.Mutex
	// keys are those that can verify the algorithm's signatures; nil until the issuer has answered.
	keys []jose.JSONWebKey
	// loaded is when the issuer answered last, asked when it was asked last, failed whether that was in vain.
	loaded, asked time.Time
	failed        bool
	// asking ends with the question that is under way; nil for none.
	asking chan struct{}
}

// NewJWKS returns the set at the URL, without asking for it.
func NewJWKS(opts JWKSOptions) (*JWKS, error) {
	switch opts.Algorithm {
	case jose.RS256, jose.ES256, jose.EdDSA:
	default:
		return nil, fmt.Errorf("JWKS: algorithm %q has no public keys here", opts.Algorithm)
	}
	up, err := newUpstream("JWKS", opts.URL, opts.Timeout, opts.Logger, opts.Now)
	if err != nil {
		return nil, err
	}
	return &JWKS{upstream: up, algorithm: opts.Algorithm, now: opts.Now}, nil
}

var errNoKey = errors.New("token: no published key fits")

// key returns the public key of that kid or, where the token names none, the only key there is.
func (s *JWKS) key(ctx context.Context, kid string) (any, error) {
	s.mu.Lock()
	key, found := s.find(kid)
	stale := s.now().Sub(s.loaded) >= jwksLife
	var asking chan struct{}
	if !found || stale {
		asking = s.refresh(ctx)
	}
	// A key that may have been withdrawn waits for the issuer's word, unless the issuer is known to be silent.
	wait := asking != nil && (!found || !s.failed)
	s.mu.Unlock()

	if wait {
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, fmt.Errorf("token: wait for keys: %w", ctx.Err())
		}
		s.mu.Lock()
		key, found = s.find(kid)
		s.mu.Unlock()
	}
	switch {
	case found:
		return key, nil
	case s.empty():
		// The issuer has not answered yet: that says nothing against the token.
		return nil, fmt.Errorf("token: the issuer's keys are not there: %w", ErrUndecided)
	}
	return nil, errNoKey
}

// empty tells that the issuer has never answered.
func (s *JWKS) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys == nil
}

// find looks a key up. Keys that cannot be told apart are none.
func (s *JWKS) find(kid string) (key any, found bool) {
	for _, k := range s.keys {
		if kid != "" && k.KeyID != kid {
			continue
		}
		if found {
			return nil, false
		}
		key, found = k.Key, true
	}
	return key, found
}

// refresh asks the issuer, unless that is under way or was done just now, and returns what ends with the question; nil
// where there is none. The caller holds the lock.
func (s *JWKS) refresh(ctx context.Context) chan struct{} {
	if s.asking != nil {
		return s.asking
	}
	pause := jwksPause
	if s.keys == nil {
		pause = jwksFirstPause
	}
	if s.now().Sub(s.asked) < pause {
		return nil
	}
	s.asked = s.now()
	done := make(chan struct{})
	s.asking = done
	go func() {
		defer close(done)
		keys, err := s.fetch(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asking, s.failed = nil, err != nil; err == nil {
			s.keys, s.loaded = keys, s.now()
		}
		if err == nil && len(keys) == 0 {
			err = fmt.Errorf("no key of the set is for %s", s.algorithm)
		}
		s.upstream.report(ctx, err)
	}()
	return done
}

func (s *JWKS) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	resp, err := s.upstream.get(ctx, http.Header{"Accept": {"application/jwk-set+json, application/json"}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer was cut off")
	case len(body) > maxJWKS:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxJWKS)
	}
	return parseJWKS(body, s.algorithm)
}

// parseJWKS returns the keys of a set that can verify the algorithm's signatures. Others are of no concern (RFC 7517,
// section 5): an issuer may have keys for other ends, of kinds that nobody knows yet. So the result may be empty, but
// is not nil: an issuer that withdraws all its keys means it.
func parseJWKS(text []byte, algorithm jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a JSON Web Key Set")
	}
	keys := []jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var limits struct {
			Operations []string `json:"key_ops"`
		}
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &limits) != nil || json.Unmarshal(raw, &key) != nil {
			continue
		}
		if limits.Operations != nil && !slices.Contains(limits.Operations, "verify") || !fits(&key, algorithm) {
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// fits tells whether the key may verify the algorithm's signatures. The token has no say in that.
func fits(key *jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	if key.Algorithm != "" && key.Algorithm != string(algorithm) {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return algorithm == jose.RS256 && k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256 && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	}
	return false
}
