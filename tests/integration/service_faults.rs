//! What may go wrong with the service: each row is arranged, run, and its exit code and message
//! compared. The table is `service_faults.txt`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{BINARY, Setup, wait_for};

/// What the rows may use. `init` runs the script, `as_nobody` what follows as that user.
const WORDS: &str = r#"
export CADDY_SYSCONFIG=$D/sysconfig
cat >"$D/sysconfig" <<END
DAEMON=$D/bin/caddy
CADDYFILE=$D/Caddyfile
PIDFILE=$D/run/caddy.pid
LOGFILE=$D/log/caddy.log
CADDYPATH=$D/state
LOCK=$D/lock/caddy
ACTION_LOCK=$D/action
STOP_TIMEOUT=10
USER=root
NOFILE=1024
END
mkdir -p "$D/run" "$D/log" "$D/lock" "$D/bin"
ln "$BINARY" "$D/bin/caddy" 2>/dev/null || cp "$BINARY" "$D/bin/caddy"
printf 'http://:%s\nstatus 203 /\n' "$PORT" >"$D/Caddyfile"
cd "$D" || exit 99
PIDFILE=$D/run/caddy.pid
init() { bash "$SCRIPT" "$@"; }
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
set_to() { echo "$1" >>"$D/sysconfig"; }
bad_caddyfile() { printf 'http://:%s\nnope\n' "$PORT" >"$D/Caddyfile"; }
started() { init start >/dev/null || exit 98; }
pid() { cat "$PIDFILE"; }
# Waits until a command succeeds.
wait_until() {
    for _ in {1..200}; do "$@" 2>/dev/null && return; sleep 0.05; done
    echo "still not: $*"
    return 97
}
answers() { curl -s -o /dev/null "http://127.0.0.1:$1"; }
gone() { [ ! -e "/proc/$1/exe" ]; }
crash() { local crashed; crashed=$(pid) && kill -9 "$crashed" && wait_until gone "$crashed"; }
# A process that is none of ours, its PID in $stranger and in the pid file.
stranger() { sleep 60 >/dev/null 2>&1 & stranger=$!; disown; echo $stranger >"$PIDFILE"; }
# A process of another program that holds the lock on the pid file, its PID in $stranger.
lock_holder() {
    (exec 9>>"$PIDFILE"; flock 9; exec -a caddy sleep 60) >/dev/null 2>&1 & stranger=$!
    disown
    wait_until held
}
held() { ! flock -n "$PIDFILE" true; }
# A key that only root may read, for a site on $PORT.
roots_key() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$1" -keyout "$D/key" \
        -out "$D/crt" -subj /CN=localhost -addext subjectAltName=DNS:localhost
    chmod "$2" "$D/key"
    printf 'https://localhost:%s {\n tls '"$D/crt $D/key"'\n status 203 /\n}\n' "$PORT" >"$D/Caddyfile"
}
# A caddy that another user runs.
others_caddy() {
    printf 'http://:%s\n' "$PORT2" >"$D/other"
    as_nobody "$D/bin/caddy" -quiet -conf "$D/other" >/dev/null 2>&1 & stranger=$!
    disown
    wait_until [ "/proc/$stranger/exe" -ef "$D/bin/caddy" ]
    echo $stranger >"$PIDFILE"
}
"#;

/// Ends what a row leaves running, however the row ends.
const AFTER: &str = r#"
after() {
    [ -z "${stranger-}" ] || kill -KILL "$stranger"
    for pid in $(ls -l /proc/[0-9]*/exe 2>/dev/null | grep -F " -> $D/" | sed 's|.*/proc/||; s|/.*||'); do
        kill -KILL "$pid"
    done
}
trap after EXIT
"#;

struct Row<'a> {
    name: &'a str,
    before: &'a str,
    run: &'a str,
    code: i32,
    says: &'a str,
}

/// Rows are `name ; what comes before ; what is run ; exit code ; what it says`, with blanks
/// around the semicolons. What it says is part of the output; `-` stands for none at all.
fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Row<'_> {
    let fields: Vec<_> = line.split(" ; ").map(str::trim).collect();
    let [name, before, run, code, says] = fields[..] else { panic!("five fields: {line}") };
    Row { name, before, run, code: code.parse().unwrap(), says }
}

/// Processes whose program lies in the directory.
fn running(dir: &Path) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|process| process.path().join("exe").read_link().ok());
    programs.filter(|program| program.starts_with(dir)).collect()
}

/// What is wrong with the row, if anything is.
fn check(row: &Row<'_>) -> Option<String> {
    let setup = Setup::new("");
    let dir = setup.dir();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir, open).unwrap();
    let shell = |script: String, out: &str| {
        let file = |name: &str| std::fs::File::create(dir.join(name)).unwrap();
        Command::new("bash")
            .args(["-c", &script])
            .env("D", dir)
            .env("BINARY", BINARY)
            .env("PORT", setup.ports[0].to_string())
            .env("PORT2", setup.ports[1].to_string())
            .env("SCRIPT", Path::new(env!("CARGO_MANIFEST_DIR")).join("init.d/caddy"))
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(file(out))
            .stderr(file(&format!("{out}.err")))
            .status()
            .unwrap()
            .code()
    };
    let (before, run) = (row.before, row.run);
    let script = format!("{WORDS}\n{AFTER}\n{{ {before}; }} >/dev/null 2>&1\n{{ {run}; }}");
    let code = shell(script, "out");
    let over = || running(dir).is_empty().then_some(());
    wait_for(&format!("the processes of `{}` to end", row.run), Duration::from_secs(20), over);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    let said = read("out") + &read("out.err");
    let says = if row.says == "-" { said.is_empty() } else { said.contains(row.says) };
    if code == Some(row.code) && says {
        return None;
    }
    Some(format!(
        "{}: `{}`\n  want {} {:?}\n  got {code:?} {said:?}",
        row.name, row.run, row.code, row.says
    ))
}

#[test]
fn every_fault_has_its_code_and_its_line() {
    let rows = rows(include_str!("service_faults.txt"));
    assert!(rows.len() >= 60, "{} rows", rows.len());
    // Two at a time: most rows wait for processes.
    let (odd, even): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(|(at, _)| at % 2 == 1);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let half = |rows: Vec<(usize, &Row<'_>)>| {
            rows.into_iter().filter_map(|(_, row)| check(row)).collect::<Vec<_>>()
        };
        let other = scope.spawn(move || half(odd));
        [half(even), other.join().unwrap()].concat()
    });
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
