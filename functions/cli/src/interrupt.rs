//! Signals. Those that end the process are delayed while a temporary file exists. The file is removed first; then the process ends
//! by the signal, so that its parent sees the usual status. Ctrl-C and SIGTERM end the audit of an organization early, with its results.

use std::io;

use tokio::runtime::Runtime;

/// Signals are delayed until this is dropped.
#[must_use = "signals are delayed until this is dropped"]
pub(crate) struct Held(());

#[cfg(unix)]
mod signals {
    use std::ffi::c_int;
    use std::future::poll_fn;
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::task::Poll;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
    use signal_hook::flag;
    use signal_hook::low_level::emulate_default_handler;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Whether a signal ends the process at once.
    static IS_RELEASED: AtomicBool = AtomicBool::new(true);
    /// The signal that was received, as its number in `ENDING`; 0 until there is a signal.
    static RECEIVED: AtomicUsize = AtomicUsize::new(0);
    static IS_TOO_LARGE: AtomicBool = AtomicBool::new(false);

    const ENDING: [(c_int, usize); 4] = [(SIGHUP, 1), (SIGINT, 2), (SIGQUIT, 3), (SIGTERM, 4)];

    pub(super) fn hold() -> io::Result<()> {
        IS_RELEASED.store(false, SeqCst);
        let is_ignored = ignored();
        for (signal, number) in ENDING {
            if !is_ignored(signal) {
                flag::register_usize(signal, &RECEIVED, number)?;
                // The handlers stay registered afterwards, so that no signal is lost in between.
                flag::register_conditional_default(signal, &IS_RELEASED)?;
            }
        }
        // With a handler, a write beyond the limit on file sizes returns an error instead of ending the process.
        if !is_ignored(SIGXFSZ) {
            flag::register(SIGXFSZ, &IS_TOO_LARGE)?;
        }
        Ok(())
    }

    /// Ctrl-C and SIGTERM, while this exists: they do not end the process.
    pub(super) struct Listening(Vec<(c_int, Signal)>);

    impl Listening {
        /// Requires tokio's runtime.
        pub(super) fn new() -> io::Result<Self> {
            let is_ignored = ignored();
            let heeded = [SIGINT, SIGTERM].into_iter().filter(|number| !is_ignored(*number));
            heeded
                .map(|number| Ok((number, signal(SignalKind::from_raw(number))?)))
                .collect::<io::Result<_>>()
                .map(Self)
        }

        pub(super) async fn interrupted(&mut self) {
            poll_fn(|context| {
                let is_received = self.0.iter_mut().any(|(_, signal)| signal.poll_recv(context).is_ready());
                if is_received { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            for (number, _) in &self.0 {
                // It fails only for unknown signals.
                let _ = flag::register_conditional_default(*number, &IS_RELEASED);
            }
        }
    }

    pub(super) fn received() -> Option<c_int> {
        let received = RECEIVED.load(SeqCst);
        ENDING.into_iter().find(|(_, number)| *number == received).map(|(signal, _)| signal)
    }

    pub(super) fn release() {
        IS_RELEASED.store(true, SeqCst);
        if let Some(signal) = received() {
            // It fails only for unknown signals.
            let _ = emulate_default_handler(signal);
        }
    }

    /// Returns whether a signal was ignored at the start of the process, as by `nohup`; a handler would undo that. Only Linux shows
    /// that to safe code.
    fn ignored() -> impl Fn(c_int) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        move |signal| mask >> (signal - 1) & 1 == 1
    }
}

/// Waits for Ctrl-C or SIGTERM, which do not end the process while this exists. After it the next one ends the process.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    listening: signals::Listening,
}

impl Interrupt {
    /// Listens from now on, with the runtime that is to wait.
    pub(crate) fn listen(runtime: &Runtime) -> io::Result<Self> {
        let _entered = runtime.enter();
        Ok(Self {
            #[cfg(unix)]
            listening: signals::Listening::new()?,
        })
    }

    /// Awaits the future; `None`: there was a signal before.
    pub(crate) async fn until<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            value = future => Some(value),
        }
    }

    /// Whether there was a signal.
    pub(crate) async fn is_received(&mut self) -> bool {
        self.until(tokio::task::yield_now()).await.is_none()
    }

    /// Returns at the next signal.
    pub(crate) async fn wait(&mut self) {
        #[cfg(unix)]
        self.listening.interrupted().await;
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Delays the signals from now on. On systems without signals it does nothing.
pub(crate) fn hold() -> io::Result<Held> {
    // Created first, so that an error ends the delay.
    let held = Held(());
    #[cfg(unix)]
    signals::hold()?;
    Ok(held)
}

/// Returns an error if a signal was received meanwhile.
pub(crate) fn check(_: &Held) -> io::Result<()> {
    #[cfg(unix)]
    if signals::received().is_some() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}

impl Drop for Held {
    fn drop(&mut self) {
        #[cfg(unix)]
        signals::release();
    }
}
