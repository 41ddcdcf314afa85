// Go, with its standard library alone: ISSUER=… AUDIENCE=api go run verify.go
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	issuer    = os.Getenv("ISSUER")
	audience  = os.Getenv("AUDIENCE")
	errBad    = errors.New("not valid token")
	errNoKeys = errors.New("the keys cannot be had")
)

// claims are what this program wants to know of a token.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Type     string `json:"token_type"`
	Expiry   int64  `json:"exp"`
}

// keySet keeps the keys for five minutes, and fetches them anew for a kid that it does not know, once in half a minute.
type keySet struct {
	sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

func (set *keySet) find(kid string) (*ecdsa.PublicKey, error) {
	set.Lock()
	defer set.Unlock()
	key, known := set.keys[kid]
	age := time.Since(set.fetched)
	if age > 5*time.Minute || (!known && age > 30*time.Second) {
		if err := set.fetch(); err != nil {
			return nil, errNoKeys
		}
		key, known = set.keys[kid]
	}
	if !known {
		return nil, errBad
	}
	return key, nil
}

func (set *keySet) fetch() error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(issuer + "/.well-known/jwks.json")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var body struct {
		Keys []struct{ Kid, Kty, Crv, X, Y string }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || response.StatusCode != 200 {
		return errNoKeys
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, jwk := range body.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(jwk.X)
		y, errY := base64.RawURLEncoding.DecodeString(jwk.Y)
		if jwk.Kty != "EC" || jwk.Crv != "P-256" || errX != nil || errY != nil {
			continue
		}
		key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if key.Curve.IsOnCurve(key.X, key.Y) {
			keys[jwk.Kid] = key
		}
	}
	set.keys, set.fetched = keys, time.Now()
	return nil
}

// verify gives the claims of a good access token (RFC 7515 section 5.2, RFC 7518 section 3.4).
func verify(set *keySet, token string) (*claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errBad
	}
	var header struct{ Alg, Kid string }
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 || decode(parts[0], &header) != nil || header.Alg != "ES256" {
		return nil, errBad
	}
	key, err := set.find(header.Kid)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	var said claims
	if !ecdsa.Verify(key, digest[:], r, s) || decode(parts[1], &said) != nil {
		return nil, errBad
	}
	if said.Issuer != issuer || said.Audience != audience || said.Type != "access" || said.Expiry <= time.Now().Unix() {
		return nil, errBad
	}
	return &said, nil
}

func decode(part string, value any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}

func main() {
	set := &keySet{}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		said, err := verify(set, strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "))
		switch err {
		case nil:
			fmt.Fprint(response, said.Subject)
		case errNoKeys:
			response.WriteHeader(http.StatusServiceUnavailable)
		default:
			response.WriteHeader(http.StatusUnauthorized)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listens on port %d\n", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
