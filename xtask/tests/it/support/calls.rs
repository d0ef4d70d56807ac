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
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    if (level == IPPROTO_TCP && length == sizeof(int)) {
        char option[32], number[32];
        snprintf(option, sizeof option, "%d", name);
        snprintf(number, sizeof number, "%d", *(const int *)value);
        note("setsockopt", option, number);
    }
    return ((int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt"))(fd, level, name, value, length);
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
        let calls = self.lines().into_iter();
        calls
            .filter(|[call, ..]| call != "setsockopt")
            .map(|[call, from, to]| (call, from.into(), to.into()))
            .collect()
    }

    /// The options of TCP that were set, by their numbers in `<netinet/tcp.h>`, with their values.
    pub(crate) fn tcp_options(&self) -> Vec<(i32, i32)> {
        let calls = self.lines().into_iter();
        calls
            .filter(|[call, ..]| call == "setsockopt")
            .map(|[_, option, value]| (option.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn lines(&self) -> Vec<[String; 3]> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let call = |line: &str| {
            let mut parts = line.split('\t');
            [(); 3].map(|()| parts.next().unwrap().to_owned())
        };
        text.lines().map(call).collect()
    }
}
