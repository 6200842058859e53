//! The HTTP client that all SDK clients share. As in the AWS CLI, it trusts the system's certificate authorities and uses the
//! proxy of the environment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// An HTTP client that trusts the certificate authorities in `trusted`, and connects through the proxy of `HTTPS_PROXY` or
/// `HTTP_PROXY` unless `NO_PROXY` excepts the host.
///
/// All SDK clients share its connections: a TLS handshake takes one or two round trips and 2.7 M instructions.
pub fn http_client(trusted: TrustStore) -> SharedHttpClient {
    Client::shared(trusted, ProxyConfig::from_env())
}

/// An HTTP client without a proxy, for endpoints on the same machine.
pub fn direct_http_client(trusted: TrustStore) -> SharedHttpClient {
    Client::shared(trusted, ProxyConfig::disabled())
}

/// Unlike the SDK's HTTP client, this one does not build a connector for each service client at start-up: each of them parses the
/// system's 145 certificates (10 M instructions). It builds one connector for each set of timeouts, at the first request.
#[derive(Debug)]
struct Client {
    tls: TlsContext,
    proxy: ProxyConfig,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

/// Connect and read timeout.
type Timeouts = (Option<Duration>, Option<Duration>);

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        connectors.entry(timeouts).or_insert_with(|| self.connector(settings, components)).clone()
    }
}

impl Client {
    fn shared(trusted: TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
        let tls = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
        SharedHttpClient::new(Self { tls, proxy, connectors: Mutex::default() })
    }

    fn connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let mut builder = Connector::builder().connector_settings(settings.clone());
        builder.set_sleep_impl(components.sleep_impl());
        // ring: the SDK's default, aws-lc-rs, spends 415 M instructions on CPU-jitter entropy at the first handshake, ten
        // times what the rest of a cold start takes.
        let ring = Provider::Rustls(CryptoMode::Ring);
        let builder = builder.tls_provider(ring).tls_context(self.tls.clone()).proxy_config(self.proxy.clone());
        SharedHttpConnector::new(builder.build())
    }
}
