//! System calls: everything that is not named goes on.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// One system call that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub number: i64,
    /// Only with one of these bits; `None`: always.
    pub with: Option<AnyBit>,
}

/// A set of bits in an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyBit {
    /// From 0.
    pub argument: u8,
    pub bits: u32,
}

/// What the kernel runs at each system call. Kernels since 5.11 remember what is always let through and run nothing then.
#[derive(Debug)]
pub struct Filter {
    program: BpfProgram,
    /// The same, but that each refusal is told.
    told: BpfProgram,
}

impl Filter {
    pub(crate) fn program(&self) -> &[seccompiler::sock_filter] {
        &self.program
    }

    pub(crate) fn told(&self) -> &[seccompiler::sock_filter] {
        &self.told
    }
}

/// The programs that answer `calls` with `errno`, on the architecture that this is built for. A call of another
/// architecture (32-bit programs on a 64-bit kernel) ends its process: it cannot be judged by these numbers.
///
/// # Errors
/// No calls, or more than a program holds.
pub fn filter(calls: &[Call], errno: i32) -> io::Result<Filter> {
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    let refusal: u32 = errno.clone().into();
    let program = compiled(calls, errno).map_err(io::Error::other)?;
    let mut told = program.clone();
    // The library knows no action that tells: its answer is replaced where it stands.
    let answers = told.iter_mut().filter(|line| line.code == BPF_RET_K && line.k == refusal);
    answers.for_each(|line| line.k = libc::SECCOMP_RET_USER_NOTIF);
    Ok(Filter { program, told })
}

/// `BPF_RET | BPF_K` of linux/bpf_common.h.
const BPF_RET_K: u16 = 0x06;

fn compiled(calls: &[Call], answer: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls {
        for number in numbers(call.number) {
            rules.insert(number, rules_of(call)?);
        }
    }
    SeccompFilter::new(rules, SeccompAction::Allow, answer, arch()?)?.try_into()
}

fn arch() -> Result<TargetArch, seccompiler::BackendError> {
    std::env::consts::ARCH.try_into()
}

/// On x86-64 each call has a second number, with this bit, of the x32 ABI, which some kernels take.
pub(super) const X32: i64 = 0x4000_0000;

fn numbers(number: i64) -> Vec<i64> {
    if cfg!(target_arch = "x86_64") { vec![number, number | X32] } else { vec![number] }
}

/// None: whatever its arguments are. A rule holds one bit, since one of them is enough.
fn rules_of(call: &Call) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let Some(AnyBit { argument, bits }) = call.with else { return Ok(Vec::new()) };
    let each = (0..u32::BITS).map(|shift| 1_u32 << shift).filter(|bit| bits & bit != 0);
    let rule = |bit: u32| {
        let is_set = SeccompCmpOp::MaskedEq(u64::from(bit));
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is_set, u64::from(bit))?;
        SeccompRule::new(vec![condition])
    };
    each.map(rule).collect()
}
