//! What a program tells the kernel to make last, and in which order: written down by a library that is loaded before libc.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Run;

/// Written in C, since it has the names of libc's own functions; a C compiler is there wherever this workspace builds.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *call, const char *from, const char *to) {
    int file = open(getenv("CALLS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    dprintf(file, "%s\t%s\t%s\n", call, from, to);
    close(file);
}

int fsync(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    note("fsync", path, "");
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int rename(const char *from, const char *to) {
    note("rename", from, to);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

int unlink(const char *path) {
    const char *fails = getenv("FAILS");
    note("unlink", path, "");
    if (fails && strlen(path) >= strlen(fails) && !strcmp(path + strlen(path) - strlen(fails), fails)) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}
"#;

/// The calls of a run.
pub(crate) struct Calls {
    library: PathBuf,
    log: PathBuf,
}

impl Calls {
    /// Builds the library in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let source = folder.join("calls.c");
        let calls = Self {
            library: folder.join("calls.so"),
            log: folder.join("calls.log"),
        };
        std::fs::write(&source, LIBRARY).unwrap();
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-o"])
            .arg(&calls.library);
        compiler.arg(&source).arg("-ldl");
        Run::of(&mut compiler, "cc").exits(0);
        calls
    }

    /// Has a command write its calls down.
    pub(crate) fn of(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("CALLS", &self.log);
    }

    /// `fsync`, `rename` or `unlink`, each with its paths, in order. The `unlink` of a path that ends in `FAILS` fails.
    pub(crate) fn all(&self) -> Vec<(String, PathBuf, PathBuf)> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let call = |line: &str| {
            let mut parts = line.split('\t');
            let mut part = || parts.next().unwrap().to_owned();
            (part(), part().into(), part().into())
        };
        text.lines().map(call).collect()
    }
}
