//! `import` and snippets (stub).
