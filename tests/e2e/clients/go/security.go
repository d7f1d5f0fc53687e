package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	xdgscram "github.com/xdg-go/scram"
)

// How the programs prove who they are, from the environment variables of clients/README.md.
var (
	protocol  = os.Getenv("SECURITY_PROTOCOL")
	mechanism = os.Getenv("SASL_MECHANISM")
	username  = os.Getenv("SASL_USERNAME")
	password  = os.Getenv("SASL_PASSWORD")
)

func token() string {
	text, err := os.ReadFile(os.Getenv("SASL_TOKEN_FILE"))
	check(err)
	return strings.TrimSpace(string(text))
}

func tlsConfig() *tls.Config {
	ca, err := os.ReadFile(os.Getenv("SSL_CA_FILE"))
	check(err)
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AppendCertsFromPEM(ca)
	if certificate := os.Getenv("SSL_CERTIFICATE_FILE"); certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, os.Getenv("SSL_KEY_FILE"))
		check(err)
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

func franzSecurity() (opts []kgo.Opt) {
	if strings.HasSuffix(protocol, "SSL") {
		opts = append(opts, kgo.DialTLSConfig(tlsConfig()))
	}
	if strings.HasPrefix(protocol, "SASL_") {
		scrams := scram.Auth{User: username, Pass: password}
		opts = append(opts, kgo.SASL(map[string]sasl.Mechanism{
			"PLAIN":         plain.Auth{User: username, Pass: password}.AsMechanism(),
			"SCRAM-SHA-256": scrams.AsSha256Mechanism(),
			"SCRAM-SHA-512": scrams.AsSha512Mechanism(),
			"OAUTHBEARER": oauth.Oauth(func(context.Context) (oauth.Auth, error) {
				return oauth.Auth{Token: token()}, nil
			}),
		}[mechanism]))
	}
	return opts
}

func saramaSecurity(cfg *sarama.Config) {
	if strings.HasSuffix(protocol, "SSL") {
		cfg.Net.TLS.Enable = true
		cfg.Net.TLS.Config = tlsConfig()
	}
	if strings.HasPrefix(protocol, "SASL_") {
		cfg.Net.SASL.Enable = true
		cfg.Net.SASL.Mechanism = sarama.SASLMechanism(mechanism)
		cfg.Net.SASL.User, cfg.Net.SASL.Password = username, password
		cfg.Net.SASL.TokenProvider = saramaToken{}
		hash := map[string]xdgscram.HashGeneratorFcn{"SCRAM-SHA-256": xdgscram.SHA256, "SCRAM-SHA-512": xdgscram.SHA512}[mechanism]
		cfg.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &saramaScram{hash: hash} }
	}
}

type saramaToken struct{}

func (saramaToken) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: token()}, nil
}

// saramaScram is sarama's view of a SCRAM library: it brings none of its own.
type saramaScram struct {
	*xdgscram.ClientConversation
	hash xdgscram.HashGeneratorFcn
}

func (s *saramaScram) Begin(user, password, authorization string) error {
	client, err := s.hash.NewClient(user, password, authorization)
	if err == nil {
		s.ClientConversation = client.NewConversation()
	}
	return err
}
