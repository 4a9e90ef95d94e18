//! The `.` of a page's template: v1's fields and methods, over those of the directive.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::commonmark::to_html;
use super::facts::Facts;
use super::folder::Root;
use super::functions;
use super::request::{RequestValue, UrlValue};
use crate::credentials;
use crate::http::paths::Prefix;
use crate::text_template::{Moment, Object, Run, Text, Value, include, texts};

/// What a template has asked for besides text.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) links: Mutex<Vec<String>>,
    pub(super) varies: AtomicBool,
}

/// Most `Link` fields of one page.
const LINKS: usize = 32;

#[derive(Clone)]
pub(super) struct Context {
    pub(super) root: Arc<Root>,
    pub(super) facts: Arc<Facts>,
    pub(super) fields: Arc<BTreeMap<String, Value>>,
    /// The arguments of an `Include`.
    pub(super) args: Vec<Value>,
    pub(super) effects: Arc<Effects>,
}

impl Object for Context {
    fn name(&self) -> &'static str {
        "Context"
    }

    fn get(&self, name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String> {
        if let Some(field) = self.fields.get(name).filter(|_| args.is_empty()) {
            return Ok(Some(field.clone()));
        }
        if let Some(value) = functions::call(name, args, run)? {
            return Ok(Some(value));
        }
        if let ("Args", []) = (name, args) {
            return Ok(Some(Value::list(self.args.iter().cloned())));
        }
        self.effects.varies.store(true, Ordering::Relaxed);
        match args {
            [] => Ok(self.fact(name)),
            _ => self.method(name, args, run),
        }
    }
}

/// The variables of the environment but for the server's own credentials.
fn environment() -> Value {
    let withheld = credentials::withheld();
    let text = |name: OsString| name.into_string().ok().filter(|name| !withheld.contains(name));
    let all = std::env::vars_os();
    let all = all.filter_map(|(name, value)| Some((text(name)?, value.into_string().ok()?)));
    Value::map(all.map(|(name, value)| (name, Value::own(value))))
}

impl Context {
    /// What takes no argument.
    fn fact(&self, name: &str) -> Option<Value> {
        let facts = &self.facts;
        let foreign = |text: &str| Some(Value::foreign(text));
        match name {
            "Method" => foreign(facts.method.as_str()),
            "URI" => foreign(&facts.original.to_string()),
            "Host" => foreign(facts.host()),
            "Port" => foreign(facts.port()),
            "IP" => Some(Value::own(facts.remote.ip().to_string())),
            // Names of clients are not looked up: v1 shows this where there is none.
            "Hostname" => Some(Value::own(facts.remote.to_string())),
            "ServerIP" => Some(Value::own(facts.local.ip().to_string())),
            "TLSVersion" => Some(Value::own(facts.tls.unwrap_or_default())),
            // Nothing looks for interception.
            "IsMITM" => Some(Value::Bool(false)),
            "NowDate" => Some(Value::Moment(Moment::local(SystemTime::now()))),
            "Env" => Some(environment()),
            "Req" => Some(Value::object(RequestValue(facts.clone()))),
            "URL" => Some(Value::object(UrlValue(facts.clone()))),
            _ => None,
        }
    }

    fn method(&self, name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String> {
        let value = match name {
            "Include" => {
                let (file, args) = args.split_first().ok_or("Include needs a file")?;
                let [file] = texts(name, std::slice::from_ref(file))?;
                Value::Text(self.include(&file.text, args, run)?)
            }
            "Markdown" => {
                let [file] = texts(name, args)?;
                let text = run.in_markdown(|run| self.include(&file.text, &[], run))?;
                run.work(text.text.len())?;
                // HTML in it would be that of a client.
                match text.is_foreign() {
                    true => Value::Text(text),
                    false => Value::own(to_html(&text.text)),
                }
            }
            "Files" => {
                let [folder] = texts(name, args)?;
                Value::list(self.root.list(&folder.text)?.into_iter().map(Value::foreign))
            }
            "Now" => {
                let [layout] = texts(name, args)?;
                Value::own(Moment::local(SystemTime::now()).format(&layout.text))
            }
            "Cookie" => {
                let [cookie] = texts(name, args)?;
                Value::foreign(self.facts.cookie(&cookie.text))
            }
            "Header" => {
                let [field] = texts(name, args)?;
                Value::foreign(self.facts.header(&field.text))
            }
            "PathMatches" => {
                let [path] = texts(name, args)?;
                Value::Bool(Prefix::new(&path.text).holds(&self.facts.route))
            }
            "AddLink" => {
                let [link] = texts(name, args)?;
                self.link(link.text.to_string())?
            }
            "Push" => {
                let [resource] = texts(name, args)?;
                self.link(format!("<{}>; rel=preload", resource.text))?
            }
            "RandomString" => functions::random_string(args, run)?,
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    /// Executes a file as a template. The text of one that clients may write stays as it is.
    fn include(&self, file: &str, args: &[Value], run: &mut Run) -> Result<Text, String> {
        let Some(template) = self.root.template(&self.root.place(file), file, ["{{", "}}"])? else {
            let text = self.root.read(file)?;
            run.work(text.len())?;
            run.room(text.len())?;
            return Ok(Text::foreign(text));
        };
        run.work(template.length)?;
        run.room(template.length)?;
        let context = Self { args: args.to_vec(), ..self.clone() };
        include(run, &template.set, file, &Value::object(context))
    }

    fn link(&self, link: String) -> Result<Value, String> {
        if let Ok(mut links) = self.effects.links.lock() {
            if links.len() == LINKS {
                return Err(format!("more than {LINKS} links"));
            }
            links.push(link);
        }
        Ok(Value::own(""))
    }
}
