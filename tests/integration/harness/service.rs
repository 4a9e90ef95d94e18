//! Servers in Python (`tests/python`) that print their port and run until their stdin ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::python_script;

pub struct Service {
    pub addr: String,
    child: Child,
}

impl Service {
    pub fn start(script: &str, args: &[&str]) -> Self {
        let mut child = python_script(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { addr: format!("localhost:{}", port.trim()), child }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
