//! Files to sum, and their sums.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

/// A directory of the test's own, which is removed when this is dropped.
pub struct Tree {
    root: PathBuf,
    #[cfg(unix)]
    forbidden: Vec<PathBuf>,
}

impl Tree {
    pub fn new() -> Tree {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("dirsum-{}-{number}", std::process::id());
            let root = std::env::temp_dir().join(name);
            match fs::create_dir(&root) {
                Ok(()) => {
                    return Tree {
                        root,
                        #[cfg(unix)]
                        forbidden: Vec::new(),
                    };
                }
                // Left by a process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", root.display()),
            }
        }
    }

    /// A tree with files of all kinds.
    pub fn mixed() -> Tree {
        let tree = Tree::new();
        tree.write("empty", "");
        tree.write("abc", "abc");
        tree.write("name with spaces", "1");
        tree.write(" leading and trailing ", "2");
        tree.write("größe", "3");
        tree.write("a/b/c/d/deep", "4");
        // These show that the paths are sorted by bytes, not by components: `-` and `.` come before
        // `/`.
        tree.write("a-", "5");
        tree.write("a.txt", "6");
        tree.write("a0", "7");
        tree.write("Z", "8");
        tree.write(".hidden/.file", "9");
        fs::create_dir(tree.root().join("no files here")).unwrap();
        // A file of several blocks, the last of which is not full.
        let large: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
        tree.write("a/large", large);
        for n in 0..100 {
            tree.write(&format!("many/{n}"), n.to_string());
        }
        #[cfg(unix)]
        {
            tree.write("back\\slash", "10");
            tree.write("new\nline\\n", "11");
            tree.write("sub\\dir\n/file", "12");
            std::os::unix::fs::symlink("abc", tree.root().join("link to a file")).unwrap();
            std::os::unix::fs::symlink("a", tree.root().join("link to a directory")).unwrap();
            std::os::unix::fs::symlink("nowhere", tree.root().join("dangling link")).unwrap();
        }
        tree
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// A file that takes no room on the disk, and minutes to read.
    #[cfg(target_os = "linux")]
    pub fn write_huge(&self, path: &str) {
        let file = fs::File::create(self.root.join(path)).unwrap();
        file.set_len(1 << 38).unwrap();
    }

    /// Takes the permissions of a file or a directory away, while the tree is there.
    #[cfg(unix)]
    pub fn forbid(&mut self, path: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        self.forbidden.push(path);
    }

    /// Returns the output that the program should print, computed without it. `given` is the
    /// directory as the program gets it.
    pub fn sums(&self, given: &str) -> String {
        let mut files = Vec::new();
        list(&self.root, given, &mut files);
        files.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        files
            .iter()
            .map(|(name, path)| line(name, &fs::read(path).unwrap()))
            .collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        #[cfg(unix)]
        for path in &self.forbidden {
            use std::os::unix::fs::PermissionsExt;
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn list(directory: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            list(&entry.path(), &name, files);
        } else if kind.is_file() {
            files.push((name, entry.path()));
        }
    }
}

/// The line for a file of this name with these contents.
pub fn line(name: &str, contents: &[u8]) -> String {
    let digest: String = Sha256::digest(contents)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let escaped = name
        .replace('\\', r"\\")
        .replace('\n', r"\n")
        .replace('\r', r"\r");
    let mark = if escaped == name { "" } else { r"\" };
    format!("{mark}{digest}  {escaped}\n")
}
