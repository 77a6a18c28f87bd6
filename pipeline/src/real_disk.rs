//! The file system that the program runs on.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::{Appending, Disk};

/// The system's files. Every error names the operation and the path; its kind is the system's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RealDisk;

/// An error of the system's, and where it happened.
#[derive(Debug)]
struct Located {
    operation: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.operation, self.path.display(), self.error)
    }
}

impl std::error::Error for Located {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn at<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> io::Error + 'a {
    move |error| io::Error::new(error.kind(), Located { operation, path: path.to_owned(), error })
}

impl Disk for RealDisk {
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>> {
        let file = OpenOptions::new().append(true).create(len == 0).open(path).map_err(at("open", path))?;
        let there = file.metadata().map_err(at("look at", path))?.len();
        if there < len {
            let error = format!("it has {there} bytes, fewer than the {len} that were committed");
            return Err(at("append to", path)(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        let mut file = RealFile { file, path: path.to_owned() };
        if there > len {
            file.cut(len)?;
        }
        Ok(Box::new(file))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path).map_err(at("read", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(at("rename", from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(at("remove", path))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = or_here(folder);
        File::open(folder).map_err(at("open the folder", folder))?.sync_all().map_err(at("sync the folder", folder))
    }

    /// Each one that it makes survives a power cut.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = or_here(folder);
        if folder.is_dir() {
            return Ok(());
        }
        let above = or_here(folder.parent().unwrap_or(folder));
        if above != folder {
            self.make_folder(above)?;
        }
        match fs::create_dir(folder) {
            // Somebody else was quicker.
            Err(_) if folder.is_dir() => Ok(()),
            made => made.map_err(at("make the folder", folder)),
        }?;
        self.sync_folder(above)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = or_here(folder);
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at("list", folder))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(at("list", folder))?;
            if entry.file_type().map_err(at("list", folder))?.is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The parent of `out.jsonl` is the empty path, which the system does not know.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

impl Appending for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(at("write to", &self.path))
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length, without which the bytes could not be read, goes with it.
        self.file.sync_data().map_err(at("sync", &self.path))
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len).map_err(at("cut", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::faulty_disk::FaultyDisk;
    use crate::random::Random;
    use crate::test_folder::TestFolder;

    #[test]
    fn errors_name_operation_and_path_and_a_file_that_is_too_short_is_refused() {
        let folder = TestFolder::new();
        let file = folder.path().join("a");
        let missing = RealDisk.append(&file, 5).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(missing.to_string().starts_with(&format!("cannot open {}: ", file.display())), "{missing}");

        RealDisk.append(&file, 0).unwrap().write(b"1234").unwrap();
        let short = RealDisk.append(&file, 5).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::InvalidData);
        assert!(short.to_string().ends_with("it has 4 bytes, fewer than the 5 that were committed"), "{short}");
        assert_eq!(RealDisk.read(&file).unwrap(), b"1234", "and nothing was done to it");
    }

    #[test]
    fn folders_are_made_with_those_above_and_again_without_harm() {
        let folder = TestFolder::new();
        let deep = folder.path().join("a/b/c");
        for _ in 0..2 {
            RealDisk.make_folder(&deep).unwrap();
            assert!(deep.is_dir());
        }
        std::fs::write(folder.path().join("f"), b"").unwrap();
        assert!(RealDisk.make_folder(&folder.path().join("f/g")).is_err());
        assert_eq!(RealDisk.list(&folder.path().join("none")).unwrap(), Vec::<PathBuf>::new());
    }

    /// The disk in memory is only worth what it has in common with the real one.
    #[test]
    fn the_disk_of_the_tests_does_as_the_real_one_does() {
        for seed in 0..60 {
            let folder = TestFolder::new();
            let disks: [&dyn Disk; 2] = [&RealDisk, &FaultyDisk::new()];
            for disk in disks {
                disk.make_folder(folder.path()).unwrap();
            }
            let mut random = Random::new(seed);
            let mut open: [Vec<Box<dyn Appending>>; 2] = [Vec::new(), Vec::new()];
            for step in 0..60 {
                let name = |random: &mut Random| folder.path().join(["a", "b", "c"][random.place(3)]);
                let (one, two, number, what) =
                    (name(&mut random), name(&mut random), random.place(12), random.place(9));
                let [real, model] = [0, 1].map(|nth| {
                    let (disk, files) = (disks[nth], &mut open[nth]);
                    match what {
                        0 | 1 => disk.append(&one, number as u64).map(|file| files.push(file)),
                        2 => disk.rename(&one, &two),
                        3 => disk.remove(&one),
                        4 => disk.sync_folder(folder.path()),
                        5 => files.last_mut().map_or(Ok(()), |file| file.sync()),
                        6 => files.last_mut().map_or(Ok(()), |file| file.cut(number as u64 / 4)),
                        _ => files.last_mut().map_or(Ok(()), |file| file.write(&[step as u8; 5])),
                    }
                    .map_err(|error| error.kind())
                });
                assert_eq!(real, model, "seed {seed}, step {step}");
                let [real, model] = disks.map(|disk| {
                    let files = disk.list(folder.path()).unwrap();
                    files.into_iter().map(|file| (disk.read(&file).unwrap(), file)).collect::<Vec<_>>()
                });
                assert_eq!(real, model, "seed {seed}, step {step}");
            }
        }
    }
}
