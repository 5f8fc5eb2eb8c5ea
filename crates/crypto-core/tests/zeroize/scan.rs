//! Looks for a key in all writable memory of this process.

use std::fs::{self, File};
use std::hint::black_box;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::thread;

use async_lock::Mutex;
use zeroize::Zeroize;

use crate::support::MASK;

/// One scan at a time: the buffer of one would be found by the other.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

/// What is looked for, masked, so that it does not find itself: the second half of a key, because
/// the allocator writes its lists over the first bytes of a freed block.
pub(crate) struct Needle(Vec<u8>);

impl Needle {
    pub(crate) fn of(key: &[u8]) -> Self {
        Self(key[16..32].iter().map(|byte| byte ^ MASK).collect())
    }

    pub(crate) fn of_masked(masked: &[u8]) -> Self {
        Self(masked[16..32].to_vec())
    }

    /// How often the key stands in the writable memory of this process.
    pub(crate) fn count(&self) -> usize {
        self.count_outside_of(0..0)
    }

    /// The same without this thread's stack: what lies there is overwritten by the next calls.
    pub(crate) fn count_off_the_stack(&self) -> usize {
        let here = 0u8;
        let here = &raw const here as u64;
        let stack = writable_regions().into_iter().find(|region| region.contains(&here));
        self.count_outside_of(stack.unwrap())
    }

    fn count_outside_of(&self, left_out: Range<u64>) -> usize {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut buffer = vec![0; 1 << 20];
        let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
        let mut found = 0;
        for region in writable_regions().into_iter().filter(|region| *region != left_out) {
            // What was read would be found again where it was read to.
            let before = region.start..region.end.min(own.start);
            let behind = region.start.max(own.end)..region.end;
            for mut part in [before, behind] {
                while !part.is_empty() {
                    let len = buffer.len().min((part.end - part.start) as usize);
                    // Pages that went away meanwhile, or that the kernel does not show, hold no key.
                    let read = memory.read_at(&mut buffer[..len], part.start).unwrap_or(0);
                    found += self.count_in(&buffer[..read]);
                    part.start += len as u64;
                }
            }
        }
        buffer.zeroize();
        found
    }

    fn count_in(&self, bytes: &[u8]) -> usize {
        let is_here = |window: &[u8]| window.iter().zip(&self.0).all(|(a, b)| a ^ MASK == *b);
        let pages = bytes.chunks(4_096).enumerate().filter(|(_, page)| *page != [0; 4_096]);
        pages
            .flat_map(|(page, _)| page * 4_096..bytes.len().min((page + 1) * 4_096))
            .filter(|at| bytes.get(*at..*at + self.0.len()).is_some_and(is_here))
            .count()
    }
}

fn writable_regions() -> Vec<Range<u64>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let region = |line: &str| {
        let mut columns = line.split(' ');
        let (start, end) = columns.next()?.split_once('-')?;
        let is_writable = columns.next()?.starts_with("rw");
        let address = |text| u64::from_str_radix(text, 16).ok();
        is_writable.then_some(address(start)?..address(end)?)
    };
    maps.lines().filter_map(region).collect()
}

/// Runs something on a stack of its own and overwrites that stack.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // Inlined into its caller, it would leave its copies where nothing overwrites them.
    #[inline(never)]
    fn deeper<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    fn overwrite_the_stack() {
        black_box(&mut [0u8; 512 * 1_024]);
    }
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(1 << 20).spawn_scoped(scope, || {
            let result = deeper(work);
            overwrite_the_stack();
            result
        });
        worker.unwrap().join().unwrap()
    })
}
