//! The option `quota`.

use super::*;

#[tokio::test]
async fn all_files_of_a_folder_together_have_a_quota() {
    let place = Place::new("quota 10");
    fs::create_dir(place.at("old")).unwrap();
    fs::write(place.at("old/there"), "1234").unwrap();
    symlink(place.at("old/there"), place.at("link")).unwrap();
    let sent =
        async |method: &str, path: &str| place.send(method, path, &[], Body::empty()).await.status;
    assert_eq!(place.put("/up/a", "12345").await, 201);
    assert_eq!(place.put("/up/b", "12").await, 507, "11 bytes");
    assert_eq!(place.put("/up/b", "1").await, 201);
    assert_eq!(place.put("/up/c", "").await, 201);
    assert_eq!(sent("DELETE", "/up/old").await, 204);
    assert_eq!(place.put("/up/a", "12").await, 204, "the file that it replaces counted");
    assert_eq!(place.put("/up/d", "1234567").await, 201, "8 and 2 are 10");
    let to = [("destination", "/up/d")];
    assert_eq!(place.send("MOVE", "/up/b", &to, Body::empty()).await.status, 204);
    assert_eq!(place.put("/up/e", "12345678").await, 507);
    // What is not whole gives back what it had.
    for (texts, breaks_off, status) in
        [(&["1234", "567"][..], true, 400), (&["1234", "5678"], false, 507)]
    {
        let body = pieces(texts, breaks_off);
        assert_eq!(place.send("PUT", "/up/e", &[], body).await.status, status);
    }
    let form = [("content-type", FORM)];
    let text = part("f", "1234") + &part("g", "5678") + "--b--";
    assert_eq!(place.send("POST", "/up/", &form, text.into()).await.status, 507);
    assert_eq!(place.files(), ["a", "c", "d", "f", "link"]);
    assert_eq!(place.send("PUT", "/up/e", &[], pieces(&["1", "23"], false)).await.status, 201);
    assert_eq!(place.put("/up/h", "1").await, 507, "all is used");
    assert_eq!(sent("DELETE", "/up/none").await, 204);
    assert_eq!(place.put("/up/h", "1").await, 507);
}

#[tokio::test]
async fn uploads_at_the_same_time_share_the_quota() {
    let place = Place::new("quota 10");
    let texts = (0..8).map(|number| {
        let (place, path) = (&place, format!("/up/{number}"));
        async move {
            // Some tell their length, and some do not.
            let body = if number % 2 == 0 {
                Body::from("1234".to_owned())
            } else {
                pieces(&["12", "34"], false)
            };
            place.send("PUT", &path, &[], body).await.status
        }
    });
    let mut got = futures_util::future::join_all(texts).await;
    got.sort_unstable();
    let sizes = place.files().into_iter().map(|name| fs::metadata(place.at(&name)).unwrap().len());
    assert!(sizes.sum::<u64>() <= 10, "{:?}", place.files());
    assert!(got.contains(&201) && got.ends_with(&[507; 6]), "{got:?}");
    for name in place.files() {
        let path = format!("/up/{name}");
        assert_eq!(place.send("DELETE", &path, &[], Body::empty()).await.status, 204);
    }
    // Sites, and the configuration after a reload, count the same folder.
    let lines =
        format!("upload /up {{\nto {}\nyes_without_tls\nquota 9\n}}", place.at("").display());
    let other = testing::site("upload", setup, &lines).unwrap();
    assert_eq!(other.tasks.len(), 1);
    let other = Place { folder: tempfile::tempdir().unwrap(), site: other.build() };
    assert_eq!(other.put("/up/a", "12345").await, 201);
    assert_eq!(place.put("/up/b", "12345").await, 201);
    assert_eq!(other.put("/up/c", "").await, 507);
    fs::remove_file(place.at("a")).unwrap();
    assert_eq!(place.put("/up/d", "1").await, 507, "the server has not removed it");
    let tasks = testing::site("upload", setup, &lines).unwrap().tasks;
    for task in tasks {
        task.start().await;
    }
    assert_eq!(place.put("/up/d", "1").await, 201);
}
