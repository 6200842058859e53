//! Whose certificates a connection takes: those of Amazon's own authorities, and for other endpoints those of the system's.
//!
//! AWS's endpoints are signed by [Amazon Trust Services](https://www.amazontrust.com/repository/), whose five certificates are
//! read in no time. With the 145 that a machine has, which the SDK's own client goes through for each service, a start takes
//! 23.6 M instructions instead of 3.2 M. An endpoint of another authority (a partition with its own, a proxy that looks into
//! what passes, an AWS that moved on) is tried once more with the system's, `SSL_CERT_FILE` included. So nothing is refused
//! that the system would take; what is more is Amazon's five.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rustls::CertificateError::UnknownIssuer;

/// The authorities: Amazon Root CA 1 to 4, and Starfield's, by which older systems know them. The first expires in 2037.
pub const AMAZON: &str = include_str!("amazon.pem");

/// An HTTP client. Whatever shares it shares its connections: a handshake costs a round trip or two, and 2.7 M instructions.
pub fn http_client() -> SharedHttpClient {
    let client = |trusted: TrustStore| {
        // ring: AWS's own default, aws-lc-rs, spends 415 M instructions on CPU-jitter entropy at the first handshake, ten
        // times what the rest of a cold start takes.
        let ring = Provider::Rustls(CryptoMode::Ring);
        let context = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
        Builder::new().tls_provider(ring).tls_context(context).build_https()
    };
    SharedHttpClient::new(Trusting(Arc::new(Clients {
        amazon: client(TrustStore::empty().with_pem_certificate(AMAZON)),
        system: client(TrustStore::default()),
        elsewhere: AtomicBool::new(false),
    })))
}

/// Each has connections of its own, and reads its certificates when it is first used.
#[derive(Debug)]
struct Clients {
    amazon: SharedHttpClient,
    system: SharedHttpClient,
    /// Whether the system's certificates were needed: they are tried first then.
    elsewhere: AtomicBool,
}

// The SDK's own client builds a connector for each service it is given to, certificates and all, only to see that it can be
// built. This one does not.
#[derive(Debug, Clone)]
struct Trusting(Arc<Clients>);

impl HttpClient for Trusting {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            clients: self.0.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    clients: Arc<Clients>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl Connector {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let Clients { amazon, system, elsewhere } = &*self.clients;
        let connector = |client: &SharedHttpClient| client.http_connector(&self.settings, &self.components);
        let system_first = elsewhere.load(Ordering::Relaxed);
        let (first, second) = if system_first { (system, amazon) } else { (amazon, system) };
        let again = request.try_clone();
        match (connector(first).call(request).await, again) {
            // The handshake ended before anything was sent.
            (Err(error), Some(request)) if is_of_another_authority(&error) => {
                let answer = connector(second).call(request).await;
                if !answer.as_ref().is_err_and(is_of_another_authority) {
                    elsewhere.store(!system_first, Ordering::Relaxed);
                }
                answer
            }
            (answer, _) => answer,
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

fn is_of_another_authority(error: &ConnectorError) -> bool {
    successors(Some(error as &(dyn Error + 'static)), |error| below(*error))
        .any(|error| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(UnknownIssuer))))
}

/// What an `io::Error` was made of is not its source but its inside.
fn below<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}
