// SPDX-License-Identifier: GPL-2.0

//! The functions that QEMU calls.
//!
//! Code is instrumented only between the first and the last mark of a measurement. At both, QEMU
//! discards all translated code, so that booting is not slowed down.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs;
use std::process::abort;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use qemu_plugin_sys::{
    GArray, GByteArray, QEMU_PLUGIN_VERSION, qemu_info_t, qemu_plugin_cb_flags,
    qemu_plugin_get_hwaddr, qemu_plugin_get_registers, qemu_plugin_hwaddr_is_io,
    qemu_plugin_hwaddr_phys_addr, qemu_plugin_id_t, qemu_plugin_insn, qemu_plugin_insn_data,
    qemu_plugin_insn_vaddr, qemu_plugin_mem_is_store, qemu_plugin_mem_rw,
    qemu_plugin_mem_size_shift, qemu_plugin_meminfo_t, qemu_plugin_read_register,
    qemu_plugin_reg_descriptor, qemu_plugin_register, qemu_plugin_register_vcpu_init_cb,
    qemu_plugin_register_vcpu_insn_exec_cb, qemu_plugin_register_vcpu_mem_cb,
    qemu_plugin_register_vcpu_tb_trans_cb, qemu_plugin_reset, qemu_plugin_tb,
    qemu_plugin_tb_get_insn, qemu_plugin_tb_n_insns,
};

use crate::arch::Arch;
use crate::calls::Calls;
use crate::marks::Mark;
use crate::options::Options;
use crate::report::{Guest, metrics};
use crate::symbols::{Function, Symbols};
use crate::table::{Access, Kind, Table};

// Functions of GLib, which QEMU is linked with.
unsafe extern "C" {
    fn g_array_free(array: *mut GArray, free_segment: c_int) -> *mut c_char;
    fn g_byte_array_new() -> *mut GByteArray;
    fn g_byte_array_set_size(array: *mut GByteArray, length: c_uint) -> *mut GByteArray;
}

/// The version of the interface that this plugin uses; QEMU reads it.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = QEMU_PLUGIN_VERSION as c_int;

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

struct Plugin {
    id: qemu_plugin_id_t,
    arch: Arch,
    symbols: Symbols,
    options: Options,
    processors: Box<[Processor]>,
    /// Code that is translated now is instrumented.
    instrumenting: AtomicBool,
    guest: Mutex<Guest>,
    /// The output of all measurements until now, as lines of JSON.
    output: Mutex<Vec<u8>>,
}

/// No thread measures here; the table may be taken.
const IDLE: u8 = 0;
/// The processor's own thread measures.
const MEASURING: u8 = 1;
/// A thread takes the table.
const TAKEN: u8 = 2;

/// Each has lines of its own, so that the plugin does not itself cause contention.
#[repr(align(128))]
struct Processor {
    state: AtomicU8,
    registers: OnceLock<Registers>,
    measured: UnsafeCell<Measured>,
}

// SAFETY: `state` says which thread may use `measured`: the thread that took the state by an
// acquiring transition from `IDLE`, until it returns it by a releasing one.
unsafe impl Sync for Processor {}

#[derive(Default)]
struct Measured {
    calls: Calls,
    table: Table,
}

/// The handles of a processor's registers, for its own thread only.
struct Registers {
    argument: *mut qemu_plugin_register,
    stack: *mut qemu_plugin_register,
    buffer: *mut GByteArray,
}

// SAFETY: The handles are numbers, and the buffer is used by the processor's own thread only.
unsafe impl Send for Registers {}
// SAFETY: As above.
unsafe impl Sync for Registers {}

impl Registers {
    /// Reads a register.
    ///
    /// # Safety
    ///
    /// The caller must be a callback that may read registers, in the processor's own thread.
    unsafe fn read(&self, register: *mut qemu_plugin_register) -> u64 {
        // SAFETY: The buffer is used by this function only, in one thread. QEMU appends as many
        // bytes to it as it returns.
        let bytes = unsafe {
            g_byte_array_set_size(self.buffer, 0);
            let length = qemu_plugin_read_register(register, self.buffer);
            let length = usize::try_from(length).unwrap_or(0);
            slice::from_raw_parts((*self.buffer).data, length)
        };
        match bytes.try_into() {
            Ok(bytes) => u64::from_le_bytes(bytes),
            Err(_) => fail("QEMU cannot read a register of 8 bytes"),
        }
    }
}

/// Ends QEMU. When marks make no sense or the output cannot be written, no figure is better than a
/// wrong one.
fn fail(why: &str) -> ! {
    eprintln!("qemu-contention: {why}");
    abort()
}

/// Installs the plugin. QEMU calls this function once, and exits if the result is not 0.
///
/// # Safety
///
/// `info` must be valid, and `argv` must be `argc` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: qemu_plugin_id_t,
    info: *const qemu_info_t,
    argc: c_int,
    argv: *mut *mut c_char,
) -> c_int {
    let arguments = (0..usize::try_from(argc).unwrap_or(0)).map(|at| {
        // SAFETY: Guaranteed by the caller.
        let argument = unsafe { CStr::from_ptr(*argv.add(at)) };
        argument.to_string_lossy().into_owned()
    });
    // SAFETY: Guaranteed by the caller.
    let plugin = Plugin::new(id, unsafe { &*info }, arguments);
    match plugin {
        Ok(plugin) => {
            if PLUGIN.set(plugin).is_err() {
                eprintln!("qemu-contention: loaded twice; give -plugin once");
                return 1;
            }
            // SAFETY: These are callbacks as QEMU expects them.
            unsafe {
                qemu_plugin_register_vcpu_init_cb(id, Some(processor_started));
                qemu_plugin_register_vcpu_tb_trans_cb(id, Some(translated));
            }
            0
        }
        Err(why) => {
            eprintln!("qemu-contention: {why}");
            1
        }
    }
}

impl Plugin {
    fn new(
        id: qemu_plugin_id_t,
        info: &qemu_info_t,
        arguments: impl Iterator<Item = String>,
    ) -> Result<Self, String> {
        // SAFETY: It is a string of QEMU's.
        let target = unsafe { CStr::from_ptr(info.target_name) }.to_string_lossy();
        let arch = Arch::of_target(&target).filter(|_| info.system_emulation);
        let arch = arch.ok_or(format!("{target} is not supported, see README.md"))?;
        // SAFETY: This is the member for system emulation.
        let processors = unsafe { info.__bindgen_anon_1.system.max_vcpus };
        let processors = (0..processors).map(|_| Processor {
            state: AtomicU8::new(IDLE),
            registers: OnceLock::new(),
            measured: UnsafeCell::default(),
        });
        let options = Options::parse(arguments)?;
        Ok(Self {
            id,
            arch,
            symbols: Symbols::read(&options.symbols, &options.groups)?,
            options,
            processors: processors.collect(),
            instrumenting: AtomicBool::new(false),
            guest: Mutex::default(),
            output: Mutex::default(),
        })
    }

    /// Makes QEMU discard all translated code.
    fn translate_again(&self, instrumenting: bool) {
        self.instrumenting.store(instrumenting, Ordering::Relaxed);
        // SAFETY: The callback is as QEMU expects it.
        unsafe { qemu_plugin_reset(self.id, Some(reset)) };
    }

    fn mark(&self, number: usize, mark: Mark, argument: u64) {
        let processor = &self.processors[number];
        match mark {
            Mark::Prepare => {
                *lock(&self.guest) = Guest {
                    name: argument,
                    ..Guest::default()
                };
                self.translate_again(true);
            }
            Mark::Begin => {
                if !self.instrumenting.load(Ordering::Relaxed) || !processor.take(MEASURING) {
                    fail("the guest marks BEGIN twice, or without PREPARE");
                }
                // SAFETY: The state was taken.
                let measured = unsafe { &mut *processor.measured.get() };
                *measured = Measured::default();
            }
            Mark::End => {
                let Some(measured) = processor.measuring() else {
                    fail("the guest marks END on a processor without BEGIN");
                };
                measured.table.operations = argument;
                processor.state.store(IDLE, Ordering::Release);
            }
            Mark::Page => {
                lock(&self.guest).pages.insert(argument);
            }
            Mark::Finish => {
                self.translate_again(false);
                self.finish(argument);
            }
        }
    }

    fn finish(&self, taking_part: u64) {
        let tables: Vec<_> = self.processors.iter().map(Processor::take_table).collect();
        let ended = tables.iter().filter(|table| table.operations > 0).count();
        if ended as u64 != taking_part {
            fail(&format!(
                "{ended} processors have operations, FINISH says {taking_part}"
            ));
        }
        let found = metrics(&tables, &lock(&self.guest), &self.symbols, &self.options);
        let mut output = lock(&self.output);
        for metric in found {
            let line = serde_json::to_vec(&metric).expect("it has strings and numbers only");
            output.extend(line);
            output.push(b'\n');
        }
        if let Err(error) = fs::write(&self.options.output, &*output) {
            let path = self.options.output.display();
            fail(&format!("cannot write {path}: {error}"));
        }
    }
}

impl Processor {
    fn take(&self, state: u8) -> bool {
        let taken = self
            .state
            .compare_exchange(IDLE, state, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Returns the table while the processor is measured. For the processor's own thread only.
    #[allow(clippy::mut_from_ref, reason = "the state protects the table")]
    #[inline]
    fn measuring(&self) -> Option<&mut Measured> {
        let measuring = self.state.load(Ordering::Relaxed) == MEASURING;
        // SAFETY: This thread is the one that took the state, and no callback of it interrupts
        // another one.
        measuring.then(|| unsafe { &mut *self.measured.get() })
    }

    fn take_table(&self) -> Table {
        if !self.take(TAKEN) {
            fail("the guest marks FINISH before END on each processor");
        }
        // SAFETY: The state was taken.
        let measured = unsafe { &mut *self.measured.get() };
        let table = std::mem::take(measured).table;
        self.state.store(IDLE, Ordering::Release);
        table
    }

    fn registers(&self) -> &Registers {
        match self.registers.get() {
            Some(registers) => registers,
            None => fail("QEMU did not report the start of a processor"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plugin() -> &'static Plugin {
    PLUGIN.get().expect("set before any callback is registered")
}

unsafe extern "C" fn processor_started(_: qemu_plugin_id_t, number: c_uint) {
    let plugin = plugin();
    // SAFETY: This is the processor's own thread. The array's elements have the type that QEMU
    // documents, with names that are strings.
    let registers = unsafe {
        let all = qemu_plugin_get_registers();
        let find = |name: &str| {
            let descriptors = (*all).data.cast::<qemu_plugin_reg_descriptor>();
            slice::from_raw_parts(descriptors, (*all).len as usize)
                .iter()
                .find(|register| CStr::from_ptr(register.name).to_bytes() == name.as_bytes())
                .map(|register| register.handle)
        };
        let argument = find(plugin.arch.argument_register());
        let stack = find(plugin.arch.stack_register());
        g_array_free(all, 1);
        argument.zip(stack).map(|(argument, stack)| Registers {
            argument,
            stack,
            buffer: g_byte_array_new(),
        })
    };
    let Some(registers) = registers else {
        fail("QEMU does not offer the stack pointer and the first argument");
    };
    // A processor that is started again keeps its handles.
    let _ = plugin.processors[number as usize].registers.set(registers);
}

/// Registers the callback again, which QEMU discarded, too.
unsafe extern "C" fn reset(id: qemu_plugin_id_t) {
    // SAFETY: The callback is as QEMU expects it.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, Some(translated)) };
}

unsafe extern "C" fn translated(_: qemu_plugin_id_t, block: *mut qemu_plugin_tb) {
    let plugin = plugin();
    let instrumenting = plugin.instrumenting.load(Ordering::Relaxed);
    // SAFETY: QEMU's block is valid during this callback, as are its instructions.
    for at in 0..unsafe { qemu_plugin_tb_n_insns(block) } {
        // SAFETY: As above; `at` is within.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, at) };
        // SAFETY: As above.
        let address = unsafe { qemu_plugin_insn_vaddr(instruction) };
        // SAFETY: As above.
        unsafe { instrument_mark(plugin.arch, instruction) };
        let is_kernel = address >> 63 != 0;
        if instrumenting && (is_kernel || plugin.options.all_code) {
            // SAFETY: As above.
            unsafe { instrument(plugin, instruction, address) };
        }
    }
}

/// Reads the bytes of an instruction, at most 15.
///
/// # Safety
///
/// `instruction` must be valid.
unsafe fn bytes_of(instruction: *mut qemu_plugin_insn, bytes: &mut [u8; 16]) -> &[u8] {
    // SAFETY: Guaranteed by the caller; QEMU writes no more than it is told.
    let length =
        unsafe { qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len()) };
    &bytes[..length.min(bytes.len())]
}

/// Calls [`marked`] where the instruction is a mark.
///
/// # Safety
///
/// `instruction` must be valid.
unsafe fn instrument_mark(arch: Arch, instruction: *mut qemu_plugin_insn) {
    let mut bytes = [0; 16];
    // SAFETY: Guaranteed by the caller.
    let bytes = unsafe { bytes_of(instruction, &mut bytes) };
    let Some(mark) = Mark::decode(arch, bytes) else {
        return;
    };
    // SAFETY: Guaranteed by the caller; the callback is as QEMU expects it.
    unsafe {
        qemu_plugin_register_vcpu_insn_exec_cb(
            instruction,
            Some(marked),
            qemu_plugin_cb_flags::QEMU_PLUGIN_CB_R_REGS,
            mark.number() as *mut c_void,
        );
    }
}

/// Calls [`entered`] and [`accessed`] for the instruction.
///
/// # Safety
///
/// `instruction` must be valid.
unsafe fn instrument(plugin: &Plugin, instruction: *mut qemu_plugin_insn, address: u64) {
    let symbols = &plugin.symbols;
    let function = symbols.function(address);
    let mut bytes = [0; 16];
    // SAFETY: Guaranteed by the caller.
    let bytes = unsafe { bytes_of(instruction, &mut bytes) };
    let place = Place {
        function,
        is_atomic: plugin.arch.is_atomic(bytes),
    };
    let data = place.pack();
    if function.is_some_and(|function| symbols.address(function) == address) {
        // SAFETY: Guaranteed by the caller; the callback is as QEMU expects it.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                Some(entered),
                qemu_plugin_cb_flags::QEMU_PLUGIN_CB_R_REGS,
                data,
            );
        }
    }
    // SAFETY: As above.
    unsafe {
        qemu_plugin_register_vcpu_mem_cb(
            instruction,
            Some(accessed),
            qemu_plugin_cb_flags::QEMU_PLUGIN_CB_NO_REGS,
            qemu_plugin_mem_rw::QEMU_PLUGIN_MEM_RW,
            data,
        );
    }
}

/// The properties of an instruction that are known when it is translated.
struct Place {
    function: Option<Function>,
    is_atomic: bool,
}

impl Place {
    /// Makes a number, which QEMU passes to callbacks.
    fn pack(&self) -> *mut c_void {
        let function = self.function.map_or(0, |function| function.0 as usize + 1);
        ((function << 1) | usize::from(self.is_atomic)) as *mut c_void
    }

    fn unpack(data: *mut c_void) -> Self {
        let function = (data as usize >> 1).checked_sub(1);
        Self {
            function: function.map(|at| Function(at as u32)),
            is_atomic: data as usize & 1 != 0,
        }
    }
}

unsafe extern "C" fn marked(number: c_uint, data: *mut c_void) {
    let plugin = plugin();
    let mark = Mark::of_number(data as usize).expect("it was made from a mark");
    let registers = plugin.processors[number as usize].registers();
    // SAFETY: This callback may read registers.
    let argument = unsafe { registers.read(registers.argument) };
    plugin.mark(number as usize, mark, argument);
}

unsafe extern "C" fn entered(number: c_uint, data: *mut c_void) {
    let plugin = plugin();
    let processor = &plugin.processors[number as usize];
    let place = Place::unpack(data);
    let (Some(function), Some(measured)) = (place.function, processor.measuring()) else {
        return;
    };
    let registers = processor.registers();
    // SAFETY: This callback may read registers.
    let pointer = unsafe { registers.read(registers.stack) };
    let group = plugin.symbols.group(function);
    measured.calls.enter(function, group, pointer);
    if let Some(group) = group {
        measured.table.enter(group);
    }
}

unsafe extern "C" fn accessed(
    number: c_uint,
    info: qemu_plugin_meminfo_t,
    address: u64,
    data: *mut c_void,
) {
    let Some(measured) = plugin().processors[number as usize].measuring() else {
        return;
    };
    // SAFETY: The handle is valid during this callback.
    let physical = unsafe {
        let place = qemu_plugin_get_hwaddr(info, address);
        if place.is_null() || qemu_plugin_hwaddr_is_io(place) {
            return;
        }
        qemu_plugin_hwaddr_phys_addr(place)
    };
    // SAFETY: `info` is what QEMU passed.
    let (size, is_store) = unsafe {
        (
            1 << qemu_plugin_mem_size_shift(info),
            qemu_plugin_mem_is_store(info),
        )
    };
    let Place {
        function,
        is_atomic,
    } = Place::unpack(data);
    let kind = match (is_store, is_atomic) {
        (false, _) => Kind::Load,
        (true, false) => Kind::Store,
        (true, true) => Kind::Atomic,
    };
    measured.table.record(&Access {
        physical,
        virtual_address: address,
        size,
        kind,
        function,
        cause: measured.calls.cause(function),
    });
}
