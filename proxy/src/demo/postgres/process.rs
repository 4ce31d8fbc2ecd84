//! The server's process: started, watched, signalled, stopped.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PostgresError;
use super::binaries::Binaries;
use super::files::ServerFiles;

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// What the postmaster understands.
/// <https://www.postgresql.org/docs/current/server-shutdown.html>
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    Fast,
    Immediate,
    Reload,
    Freeze,
    Thaw,
    Kill,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Reload => "HUP",
            Self::Freeze => "STOP",
            Self::Thaw => "CONT",
            Self::Kill => "KILL",
        }
    }
}

/// A postmaster that took connections when this was made.
#[derive(Debug)]
pub(super) struct Running {
    child: Mutex<Child>,
}

impl Running {
    /// Starts the server and waits until it takes connections.
    pub(super) fn start(binaries: &Binaries, files: &ServerFiles, port: u16) -> Result<Self, PostgresError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(files.log_path());
        let log = log.map_err(PostgresError::io("cannot open the server's log"))?;
        let errors = log.try_clone().map_err(PostgresError::io("cannot open the server's log"))?;
        let mut command = binaries.command("postgres");
        command.arg("-D").arg(files.data_dir()).args(["-p", &port.to_string()]);
        // Its own process group: Ctrl-C at the terminal is for us, and we stop the server in order.
        command.current_dir(files.root()).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        files.account.run(&mut command);
        let child = command.spawn().map_err(PostgresError::io("cannot start postgres"))?;
        let running = Self { child: Mutex::new(child) };
        match running.wait_until_ready(&files.data_dir()) {
            Ok(()) => Ok(running),
            Err(reason) => {
                running.stop(Signal::Immediate);
                Err(PostgresError::NotReady { reason, log: files.log() })
            }
        }
    }

    /// Process id while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        let mut child = self.child.lock();
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    pub(super) fn signal(&self, signal: Signal) {
        // The lock is held: the process is not reaped in between, so the number is still its own.
        let mut child = self.child.lock();
        if matches!(child.try_wait(), Ok(None)) {
            kill(child.id(), signal);
        }
    }

    pub(super) fn stop(self, signal: Signal) {
        self.signal(Signal::Thaw);
        for step in [signal, Signal::Immediate, Signal::Kill] {
            self.signal(step);
            let since = Instant::now();
            while since.elapsed() < STOPPED_WITHIN {
                if self.pid().is_none() {
                    return;
                }
                std::thread::sleep(POLL);
            }
        }
    }

    /// The postmaster writes its state into the eighth line of its lock file.
    fn wait_until_ready(&self, data_dir: &Path) -> Result<(), String> {
        let lock_file = data_dir.join("postmaster.pid");
        let since = Instant::now();
        while since.elapsed() < READY_WITHIN {
            let Some(pid) = self.pid() else { return Err("the process ended".to_owned()) };
            let text = fs::read_to_string(&lock_file).unwrap_or_default();
            let mut lines = text.lines();
            let ours = lines.next().is_some_and(|line| line.trim() == pid.to_string());
            if ours && lines.nth(6).is_some_and(|state| state.trim() == "ready") {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Err(format!("not ready within {} s", READY_WITHIN.as_secs()))
    }
}

fn kill(pid: u32, signal: Signal) {
    // The shell's own `kill`: there everywhere, and no foreign function is called from here.
    let _ = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal.name(), &pid.to_string()]).status();
}

/// A shell that waits for the end of its input, which comes when this process is gone however it went, and then
/// stops the server, ends the processes it was told of and removes the server's directory.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    input: Mutex<Option<ChildStdin>>,
}

const WATCHDOG: &str = r#"
trap '' INT TERM HUP
others=
while read -r word pid; do
    case $word in
        watch) others="$others $pid" ;;
        done) exit 0 ;;
    esac
done
for pid in $others; do kill -s TERM "$pid"; done 2>/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -s CONT "$pid"; kill -s QUIT "$pid"
    n=0
    while kill -s 0 "$pid" && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
fi 2>/dev/null
rm -rf "$1"
"#;

impl Watchdog {
    pub(super) fn start(files: &ServerFiles) -> Result<Self, PostgresError> {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "sh"]).arg(files.root()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut shell = command.spawn().map_err(PostgresError::io("cannot start the watchdog"))?;
        let input = Mutex::new(shell.stdin.take());
        Ok(Self { shell, input })
    }

    pub(super) fn watch(&self, pid: u32) {
        self.tell(&format!("watch {pid}\n"));
    }

    fn tell(&self, line: &str) {
        if let Some(input) = self.input.lock().as_mut() {
            let _ = input.write_all(line.as_bytes());
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.tell("done\n");
        *self.input.lock() = None;
        let _ = self.shell.wait();
    }
}

/// Runs a program to its end and returns what it wrote.
pub(super) fn output(mut command: Command, input: Option<&[u8]>) -> Result<String, PostgresError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = || PostgresError::io(format!("cannot run {program}"));
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed())?;
    let stdin = child.stdin.take();
    let finished = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A program that has seen enough closes its input: its exit code tells.
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    });
    let finished = finished.map_err(failed())?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&finished.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&finished.stdout));
    Err(PostgresError::Program { program, output: format!("{} ({})", said.trim(), finished.status) })
}
