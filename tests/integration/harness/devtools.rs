//! Headless Chromium as a person uses it, driven over the DevTools protocol: windows of a size, the
//! colours that the system prefers, with and without JavaScript.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// Headless, for so long at most, with a profile of its own.
pub fn chromium(profile: &Path, seconds: u64) -> Command {
    let mut command = Command::new("timeout");
    command
        .args([
            &seconds.to_string(),
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg("--disable-dev-shm-usage")
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// The smallest text, its least contrast, how bright its ground is, and how far the page scrolls to
/// the side.
pub const LOOKS: &str = "(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = channels(color).map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (channels(color)[3] !== 0) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    document.querySelectorAll('details').forEach((details) => { details.open = true; });
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const looks = { size: 1000, contrast: 1000, texts: 0, ground: light(behind(document.body)) };
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(style.color), light(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        looks.contrast = Math.min(looks.contrast, contrast);
        looks.size = Math.min(looks.size, parseFloat(style.fontSize));
        looks.texts += 1;
    }
    const page = document.documentElement;
    looks.beyond = page.scrollWidth - page.clientWidth;
    looks.width = innerWidth;
    return looks;
})()";

/// A window of a browser.
pub struct Window {
    browser: Child,
    socket: WebSocketStream<TcpStream>,
    sent: u64,
    _profile: tempfile::TempDir,
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.browser.id() as i32), Signal::SIGTERM);
        let _ = self.browser.wait();
    }
}

impl Window {
    pub async fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let browser = chromium(profile.path(), 300)
            .args(["--remote-debugging-port=0", "about:blank"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium");
        let file = profile.path().join("DevToolsActivePort");
        let port: u16 = wait_for("the port of DevTools", PATIENCE, || {
            let text = std::fs::read_to_string(&file).ok()?;
            text.lines().next()?.parse().ok()
        });
        let base = format!("127.0.0.1:{port}");
        let page = wait_for("a window", PATIENCE, || {
            let list = super::curl(&[], &format!("http://{base}/json/list")).text();
            let list: Value = serde_json::from_str(&list).ok()?;
            let page = list.as_array()?.iter().find(|one| one["type"] == "page")?;
            page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
        });
        let stream = TcpStream::connect(&base).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(page, stream).await.unwrap();
        Self { browser, socket, sent: 0, _profile: profile }
    }

    /// Sends a command and returns its result. Events are dropped.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let command = json!({ "id": self.sent, "method": method, "params": params });
        self.socket.send(Message::text(command.to_string())).await.unwrap();
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect(method).expect("the browser has ended").unwrap();
            let Ok(text) = message.to_text() else { continue };
            let Ok(answer) = serde_json::from_str::<Value>(text) else { continue };
            if answer["id"] == self.sent {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    /// What an expression gives, with what its promise is settled to.
    pub async fn value(&mut self, expression: &str) -> Value {
        let how = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.call("Runtime.evaluate", how).await;
        assert_eq!(done["exceptionDetails"], Value::Null, "{expression}");
        done["result"]["value"].clone()
    }

    /// Polls an expression until it is true.
    pub async fn until(&mut self, expression: &str) {
        let end = std::time::Instant::now() + PATIENCE;
        while self.value(expression).await != json!(true) {
            assert!(std::time::Instant::now() < end, "never true: {expression}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Loads a page to its end.
    pub async fn visit(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        let loaded = "location.protocol === 'http:' && document.readyState === 'complete'";
        self.until(loaded).await;
    }

    /// The size of the window in CSS pixels, and the colours that the system prefers.
    pub async fn appear(&mut self, width: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", scheme).await;
    }

    /// Whether pages may run scripts.
    pub async fn run_scripts(&mut self, may: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !may })).await;
    }

    /// The whole page as a picture (PNG).
    pub async fn picture(&mut self) -> Vec<u8> {
        let how = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.call("Page.captureScreenshot", how).await;
        let data = taken["data"].as_str().unwrap();
        base64::prelude::BASE64_STANDARD.decode(data).unwrap()
    }
}
