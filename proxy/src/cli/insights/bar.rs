//! A progress bar on a terminal, nothing anywhere else.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar of one command.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:32}] {pos}/{len} {elapsed:>4} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self(bar)
    }

    /// So many steps, or rows, are to come.
    pub(super) fn length(&self, steps: u64) {
        self.0.set_position(0);
        self.0.set_length(steps);
    }

    /// One step more.
    pub(super) fn step(&self, what: String) {
        self.0.inc(1);
        self.0.set_message(what);
    }

    /// So many in all.
    pub(super) fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
