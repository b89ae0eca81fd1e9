//! Every call that Rust cannot check: the parts of libbpf and libc that have no safe wrapper.
//!
//! Nothing here decides anything; each function turns one call into owned descriptors, slices and `io::Result`.
#![allow(unsafe_code, reason = "the one module of the workspace that may call C")]

use libbpf_rs::{AsRawLibbpf, Object, OpenObject, btf::Btf};
use std::{
    ffi::{CStr, CString},
    io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    panic,
    path::Path,
    ptr::{self, NonNull},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// libbpf and libc answer a negative number, of which libbpf puts the meaning into errno as well.
fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer >= 0 {
        Ok(answer)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn owned(answer: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(answer)?;
    // SAFETY: the call has just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// What becomes of libbpf's messages.
struct Print {
    wanted: fn() -> bool,
    take: fn(&str),
}

static PRINT: OnceLock<Print> = OnceLock::new();

unsafe extern "C" {
    /// libc's. A `va_list` is a pointer, or is passed as one, on every machine that has BPF; its type differs.
    fn vsnprintf(
        buffer: *mut libc::c_char,
        size: libc::size_t,
        format: *const libc::c_char,
        arguments: *mut libc::c_void,
    ) -> libc::c_int;
}

/// Gives libbpf's messages to `take`, when they are `wanted`. A message may hold any bytes: names come from object files. The
/// first call counts.
pub(crate) fn set_print(wanted: fn() -> bool, take: fn(&str)) {
    if PRINT.set(Print { wanted, take }).is_err() {
        return;
    }
    let print: unsafe extern "C" fn(
        libbpf_sys::libbpf_print_level,
        *const libc::c_char,
        *mut libc::c_void,
    ) -> libc::c_int = print;
    // SAFETY: the types differ only in how the third argument is called; see `vsnprintf` above.
    unsafe {
        libbpf_sys::libbpf_set_print(mem::transmute::<
            unsafe extern "C" fn(u32, *const libc::c_char, *mut libc::c_void) -> libc::c_int,
            libbpf_sys::libbpf_print_fn_t,
        >(print));
    }
}

/// libbpf calls this. A panic may not go through it.
unsafe extern "C" fn print(
    _level: libbpf_sys::libbpf_print_level,
    format: *const libc::c_char,
    arguments: *mut libc::c_void,
) -> libc::c_int {
    /// Longer messages are cut.
    const LONGEST: usize = 16 << 10;
    let _ = panic::catch_unwind(|| {
        let Some(print) = PRINT.get().filter(|print| (print.wanted)()) else {
            return;
        };
        let mut text = vec![0_u8; LONGEST];
        // SAFETY: `text` has the size that is passed; format and arguments are libbpf's and are read once. libc ends the text
        // with a zero.
        let length = unsafe { vsnprintf(text.as_mut_ptr().cast(), text.len(), format, arguments) };
        let length = usize::try_from(length).unwrap_or(0).min(LONGEST - 1);
        (print.take)(&String::from_utf8_lossy(&text[..length]));
    });
    0
}

/// Loads an object; on refusal also gives the verifier's log, cut to `log_size` bytes.
pub(crate) fn load(mut object: OpenObject, log_size: usize) -> Result<Object, (libbpf_rs::Error, String)> {
    let mut log = vec![0_u8; log_size];
    for program in object.progs_mut() {
        // SAFETY: `log` outlives the load below; libbpf writes to it only during the load. With log level 0 it is
        // written only when the first attempt fails.
        unsafe {
            libbpf_sys::bpf_program__set_log_buf(
                program.as_libbpf_object().as_ptr(),
                log.as_mut_ptr().cast(),
                log.len() as libbpf_sys::size_t,
            );
        }
    }
    object.load().map_err(|error| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        (error, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

/// The types of an object that is open.
pub(crate) fn btf(object: &OpenObject) -> libbpf_rs::Result<Option<Btf<'_>>> {
    // SAFETY: the pointer is valid while `object` lives, and the result borrows from `object`.
    Btf::from_bpf_object(unsafe { object.as_libbpf_object().as_ref() })
}

/// An array map in our memory, in words of 64 bits. Others may write while we read.
#[derive(Debug)]
struct Mapping {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: memory that several processes share is reached by atomic operations only, whichever thread does it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `count` words of a mmapable array.
    fn new(map: BorrowedFd<'_>, count: usize, protection: libc::c_int) -> io::Result<Self> {
        // SAFETY: a new shared mapping at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                count * size_of::<u64>(),
                protection,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast())
            .map(|words| Self { words, count })
            .ok_or_else(|| io::Error::other("mapped at zero"))
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, has `count` words and lives as long as `self`. Where it is read-only
        // nobody stores; a load of 64 bits needs no right to write.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the address and length are those of `new`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.count * size_of::<u64>()) };
    }
}

/// The control word of an instance, mapped into memory: one store switches the policy set.
#[derive(Debug)]
pub(crate) struct Control(Mapping);

impl Control {
    /// Maps the one-entry array `emptcp_control`.
    pub(crate) fn map(map: BorrowedFd<'_>) -> io::Result<Self> {
        Mapping::new(map, 1, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }

    /// The word in force.
    pub(crate) fn load(&self) -> u64 {
        self.0.words()[0].load(Ordering::Acquire)
    }

    /// Puts another word in force, on all devices at once.
    pub(crate) fn store(&self, word: u64) {
        self.0.words()[0].store(word, Ordering::Release);
    }
}

/// An array that programs write, mapped into memory to be read.
#[derive(Debug)]
pub(crate) struct Shared(Mapping);

impl Shared {
    /// Maps the first `count` words of a mmapable array.
    pub(crate) fn map(map: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        Mapping::new(map, count, libc::PROT_READ).map(Self)
    }

    /// Its words; load them only.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }
}

/// Whether programs at tc may call `bpf_probe_read_kernel`.
pub(crate) fn programs_read_kernel_memory() -> bool {
    // SAFETY: no options are passed; libbpf loads a program of two instructions and lets it go.
    let answer = unsafe {
        libbpf_sys::libbpf_probe_bpf_helper(
            libbpf_sys::BPF_PROG_TYPE_SCHED_CLS,
            libbpf_sys::BPF_FUNC_probe_read_kernel,
            ptr::null(),
        )
    };
    answer == 1
}

/// Waits until no program runs that started before: `synchronize_rcu`. False when the kernel does not offer it.
pub(crate) fn grace_period() -> bool {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 }
}

/// Attaches a program to a device by a link. `attach_type` is one of `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`, `BPF_XDP`.
pub(crate) fn link_create(program: BorrowedFd<'_>, ifindex: u32, attach_type: u32, flags: u32) -> io::Result<OwnedFd> {
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        flags,
        ..Default::default()
    };
    // SAFETY: `options` is valid during the call and says its own size.
    owned(unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            ifindex as libc::c_int,
            attach_type,
            &raw const options,
        )
    })
}

/// Exchanges the program of a link.
pub(crate) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libbpf_sys::bpf_link_update(link.as_raw_fd(), program.as_raw_fd(), std::ptr::null()) }).map(drop)
}

/// Detaches a link, even while others hold it.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

/// What the kernel says about a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LinkInfo {
    /// The link's id.
    pub(crate) id: u32,
    /// The program's id.
    pub(crate) program: u32,
    /// The device, 0 when it is gone.
    pub(crate) ifindex: u32,
}

/// Asks about a tcx or XDP link.
pub(crate) fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut info = libbpf_sys::bpf_link_info::default();
    let mut size = size_of::<libbpf_sys::bpf_link_info>() as u32;
    // SAFETY: `info` has the size that is passed; every member is an integer, so that any bytes are valid.
    check(unsafe { libbpf_sys::bpf_obj_get_info_by_fd(link.as_raw_fd(), (&raw mut info).cast(), &raw mut size) })?;
    // SAFETY: both variants begin with the interface index.
    let ifindex = unsafe { info.__bindgen_anon_1.tcx.ifindex };
    Ok(LinkInfo {
        id: info.id,
        program: info.prog_id,
        ifindex,
    })
}

/// Id and name of a program.
pub(crate) fn program_info(program: BorrowedFd<'_>) -> io::Result<(u32, String)> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: `info` has the size that is passed; pointers in it are null, so that nothing else is written.
    check(unsafe { libbpf_sys::bpf_obj_get_info_by_fd(program.as_raw_fd(), (&raw mut info).cast(), &raw mut size) })?;
    // SAFETY: the kernel ends the name with a zero within its 16 bytes.
    let name = unsafe { CStr::from_ptr(info.name.as_ptr()) };
    Ok((info.id, name.to_string_lossy().into_owned()))
}

/// A program by its id.
pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libbpf_sys::bpf_prog_get_fd_by_id(id) })
}

/// A link that exists.
pub(crate) fn link_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) })
}

/// Ids of the programs and of the links that are attached to a device of this namespace at an attach type, in order; the id
/// of a link is 0 where there is none.
pub(crate) fn attached_at(ifindex: u32, attach_type: u32) -> io::Result<Vec<(u32, u32)>> {
    let (mut programs, mut links) = ([0_u32; 64], [0_u32; 64]);
    let mut options = libbpf_sys::bpf_prog_query_opts {
        sz: size_of::<libbpf_sys::bpf_prog_query_opts>() as libbpf_sys::size_t,
        prog_ids: programs.as_mut_ptr(),
        link_ids: links.as_mut_ptr(),
        ..Default::default()
    };
    options.__bindgen_anon_1.count = programs.len() as u32;
    // SAFETY: both arrays have as many entries as `count` says and outlive the call.
    check(unsafe { libbpf_sys::bpf_prog_query_opts(ifindex as libc::c_int, attach_type, &raw mut options) })?;
    // SAFETY: the kernel has set the count.
    let count = unsafe { options.__bindgen_anon_1.count } as usize;
    Ok(programs.into_iter().zip(links).take(count).collect())
}

/// The XDP programs of a device: driver, generic (0: none).
pub(crate) fn xdp_programs(ifindex: u32) -> io::Result<(u32, u32)> {
    let mut options = libbpf_sys::bpf_xdp_query_opts {
        sz: size_of::<libbpf_sys::bpf_xdp_query_opts>() as libbpf_sys::size_t,
        ..Default::default()
    };
    // SAFETY: `options` is valid during the call and says its own size.
    check(unsafe { libbpf_sys::bpf_xdp_query(ifindex as libc::c_int, 0, &raw mut options) })?;
    let native = if options.drv_prog_id != 0 {
        options.drv_prog_id
    } else {
        options.hw_prog_id
    };
    Ok((native, options.skb_prog_id))
}

/// Pins a map, program or link.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libbpf_sys::bpf_obj_pin(object.as_raw_fd(), path.as_ptr()) }).map(drop)
}

/// Opens what is pinned at a path.
pub(crate) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    // SAFETY: the path is a C string that outlives the call.
    owned(unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) })
}

/// What a test run is given.
pub(crate) struct TestRun<'a> {
    /// The packet, from the link header on.
    pub(crate) packet: &'a [u8],
    /// The context before the run, empty for none; afterwards as the program left it.
    pub(crate) context: &'a mut [u8],
    /// How often.
    pub(crate) repeat: u32,
}

/// What a test run gave.
pub(crate) struct TestAnswer {
    /// The program's return value.
    pub(crate) returned: u32,
    /// The packet as the program left it.
    pub(crate) packet: Vec<u8>,
    /// Mean time of one run, ns, as the kernel measured it.
    pub(crate) duration_ns: u32,
}

/// Runs a program on a packet: `BPF_PROG_TEST_RUN`.
pub(crate) fn test_run(program: BorrowedFd<'_>, run: TestRun<'_>) -> io::Result<TestAnswer> {
    // Room for what a program may add in front or behind.
    let mut output = vec![0_u8; run.packet.len() + 256];
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
        data_in: run.packet.as_ptr().cast(),
        data_size_in: run.packet.len() as u32,
        data_out: output.as_mut_ptr().cast(),
        data_size_out: output.len() as u32,
        repeat: run.repeat as libc::c_int,
        ..Default::default()
    };
    if !run.context.is_empty() {
        options.ctx_in = run.context.as_ptr().cast();
        options.ctx_out = run.context.as_mut_ptr().cast();
        options.ctx_size_in = run.context.len() as u32;
        options.ctx_size_out = run.context.len() as u32;
    }
    // SAFETY: every pointer comes with its size and outlives the call; the kernel reads the context before it writes.
    check(unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut options) })?;
    output.truncate(options.data_size_out as usize);
    Ok(TestAnswer {
        returned: options.retval,
        packet: output,
        duration_ns: options.duration,
    })
}
