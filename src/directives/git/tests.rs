//! Hooks of each service, and what a block says.

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;

const BLOCK: &str = "git example.com/site {\nhook /pushed secret\n}";

fn read(lines: &str) -> Result<SiteBuilder, String> {
    testing::site("git", setup, lines)
}

/// The status of a request, its body signed by a secret if the field says so.
async fn ask(lines: &str, line: &str, fields: &[(&'static str, &str)], body: &'static str) -> u16 {
    let mut site = read(lines).unwrap();
    site.content_follows();
    site.push(testing::Answer(|_: &mut Request| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }));
    let (method, path) = line.split_once(' ').unwrap();
    let mut req = request(method, path);
    req.body = Body::from(body.to_owned());
    for (name, value) in fields {
        req.head.headers.append(*name, value.parse().unwrap());
    }
    let site = site.build();
    site.handle(&mut req).await.map_or_else(|f| f.status, |r| r.status()).as_u16()
}

const MASTER: &str = "{\"ref\": \"refs/heads/master\"}";

/// The HMACs of [`MASTER`] with `secret`, by openssl.
const SHA256: &str = "a8b64b2452d60d8eb1f242946ce9a8c1a5ea84eef76dae2c6da31adbde46c11e";
const SHA1: &str = "25f1bd59437ba8413a895deeee0c82c6cb99f741";

#[tokio::test]
async fn each_service_shows_that_it_knows_the_secret() {
    let (sha256, sha1) = (format!("sha256={SHA256}"), format!("sha1={SHA1}"));
    let github = [("user-agent", "GitHub-Hookshot/1"), ("x-github-event", "push")];
    let bitbucket = [("x-event-key", "repo:push")];
    let gitlab = [("x-gitlab-event", "Push Hook")];
    let gogs = [("x-gogs-event", "push")];
    let gitee = [("x-gitee-event", "Push Hook")];
    for (service, proof, status) in [
        (&github[..], ("x-hub-signature-256", &*sha256), 200),
        (&github, ("x-hub-signature", &sha1), 200),
        (&github, ("x-hub-signature", &sha256), 200),
        (&github, ("x-hub-signature-256", "sha256=00"), 403),
        (&github, ("x-none", ""), 403),
        (&bitbucket, ("x-hub-signature", &sha256), 200),
        (&bitbucket, ("x-hub-signature", ""), 403),
        (&gitlab, ("x-gitlab-token", "secret"), 200),
        (&gitlab, ("x-gitlab-token", "Secret"), 403),
        (&gitlab, ("x-hub-signature-256", &sha256), 403),
        (&gogs, ("x-gogs-signature", SHA256), 200),
        (&gogs, ("x-gogs-signature", SHA1), 403),
        (&gitee, ("x-gitee-token", "secret"), 200),
        (&gitee, ("x-gitee-token", ""), 403),
        (&[], ("x-hub-signature-256", &sha256), 400),
    ] {
        let fields = [service, &[proof]].concat();
        // Bitbucket's own content is another test's.
        let seen = ask(BLOCK, "POST /pushed", &fields, MASTER).await;
        assert_eq!(seen, status, "{service:?} {proof:?}");
    }
    let generic = BLOCK.replace("hook /", "hook_type generic\nhook /");
    let signed = [("x-hub-signature-256", &*sha256)];
    assert_eq!(ask(&generic, "POST /pushed", &signed, MASTER).await, 200);
    assert_eq!(ask(&generic, "POST /pushed", &[], MASTER).await, 403);
    assert_eq!(ask(&generic, "GET /pushed", &signed, "").await, 405);
    let only = BLOCK.replace("hook /", "hook_type gitlab\nhook /");
    let fields = [&github[..], &signed].concat();
    assert_eq!(ask(&only, "POST /pushed", &fields, MASTER).await, 400, "of another service");
}

#[tokio::test]
async fn what_hooks_say() {
    let github = |event| [("user-agent", "GitHub-Hookshot/1"), ("x-github-event", event)];
    let bitbucket = [("x-event-key", "repo:push")];
    let travis = [("travis-repo-slug", "a/b"), ("authorization", "")];
    let changes = "{\"push\":{\"changes\":[{\"new\":null},{\"new\":{\"name\":\"master\"}}]}}";
    let build = "payload=%7B%22type%22%3A%22push%22%2C+%22status_message%22%3A%22Passed%22%2C%22branch%22%3A%22master%22%7D";
    for (branch, fields, body, news) in [
        ("master", &github("push")[..], MASTER, "the repository is fetched"),
        ("a/b", &github("push"), "{\"ref\":\"refs/heads/a/b\"}", "the repository is fetched"),
        ("v1", &github("push"), "{\"ref\":\"refs/tags/v1\"}", "the repository is fetched"),
        ("{latest}", &github("push"), MASTER, "the repository is fetched"),
        ("{latest}", &github("release"), "{}", "the repository is fetched"),
        ("main", &github("push"), MASTER, "a different branch is tracked"),
        ("main", &github("ping"), "{}", "pong"),
        ("main", &github("release"), "{}", "a release, but a branch is tracked"),
        ("main", &github("issues"), "{}", "only push events are supported"),
        ("main", &github("push"), "{}", "the content names no branch"),
        ("main", &github("push"), "ref=main", "the content is not JSON"),
        ("main", &github("push")[..1], MASTER, "the field with the event is missing"),
        ("master", &bitbucket, changes, "the repository is fetched"),
        ("main", &bitbucket, changes, "a different branch is tracked"),
        ("master", &travis, build, "the repository is fetched"),
        ("main", &travis, build, "a different branch is tracked"),
        ("master", &travis, "payload=%7B%22type%22:%22push%22%7D", "not a push that passed"),
        ("master", &travis, "{}", "the form has no payload in JSON"),
    ] {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>();
        let mut args = Block { url: "a.test/b".to_owned(), ..Block::default() };
        args.branch = branch.to_owned();
        let repository = Repository {
            url: args.url,
            path: PathBuf::new(),
            branch: args.branch,
            key: None,
            clone_args: Vec::new(),
            pull_args: Vec::new(),
            commands: Vec::new(),
            interval: None,
        };
        let service = Service::of(&headers).unwrap();
        let seen = service.news(&headers, body.as_bytes(), &repository);
        assert_eq!(seen.text(), news, "{branch} {fields:?} {body}");
    }
}

#[tokio::test]
async fn what_git_keeps_is_not_served() {
    for (path, status) in [
        ("/.git/config", 404),
        ("/.GIT", 404),
        ("/%2egit/HEAD", 404),
        ("/a/.git/../b", 404),
        ("/site.git/x", 204),
        ("/.github", 204),
        ("/pushed/x", 204),
    ] {
        assert_eq!(ask(BLOCK, &format!("GET {path}"), &[], "").await, status, "{path}");
    }
}

#[test]
fn what_is_refused_and_what_is_doubted() {
    for (lines, message) in [
        ("git", "git: no repository is named"),
        ("git a.test/b c d", "Wrong argument count or unexpected line ending after 'd'"),
        ("git file:///srv/b", "git: 'file:///srv/b' is not the address of a repository"),
        ("git a.test/b {\nbranch -x\n}", "git: '-x' is not a branch or tag"),
        ("git a.test/b {\ninterval soon\n}", "interval must be a whole number of at least -1"),
        ("git a.test/b {\nhook_type cvs\n}", "unknown type of hook 'cvs'"),
        ("git a.test/b {\nthen\n}", "Wrong argument count or unexpected line ending after 'then'"),
        ("git a.test/b {\ncolour\n}", "unknown property 'colour'"),
    ] {
        let error = read(lines).err().expect(lines);
        assert!(error.starts_with(message), "{lines}: {error}");
    }
    for (lines, doubt) in [
        ("git a.test/b {\nhook /x\n}", "everyone can have the repository fetched"),
        ("git a.test/b {\nhook_type github\n}", "hook_type has no effect without hook"),
        ("git a.test/b {\ninterval 1\n}", "interval 1 is read as 5"),
        ("git a.test/b {\nkey /none\n}", "git: the key /none cannot be read"),
        ("git a.test/b /etc", "git: '/etc' contains files, but is not a repository"),
    ] {
        let site = read(lines).unwrap();
        let warnings: Vec<_> = site.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(doubt), "{lines}: {warnings:?}");
        assert_eq!(site.tasks.len(), 1);
    }
}
