#include "sim/state/faults.h"

namespace quorate::sim {
namespace {

constexpr std::array<std::string_view, kFaultKinds> kNames = {
    "message_jitter",
    "message_spike",
    "message_lost",
    "message_duplicated",
    "message_reordered",
    "message_replayed",
    "message_corrupted",
    "message_blocked",
    "message_overflow",
    "partition",
    "partition_one_way",
    "partition_bridge",
    "partition_isolate",
    "link_clogged",
    "stream_split",
    "stream_reset",
    "stream_lost_tail",
    "stream_half_open",
    "stream_jitter",
    "connect_refused",
    "connect_hang",
    "process_crash",
    "machine_crash",
    "crash_in_turn",
    "crash_at_disk_operation",
    "restart",
    "pause",
    "pause_in_turn",
    "slow_turn",
    "client_crash",
    "client_pause",
    "turn_shuffled",
    "disk_sector_lost",
    "disk_write_torn",
    "disk_entry_lost",
    "disk_read_error",
    "disk_write_error",
    "disk_sync_error",
    "disk_writeback_error",
    "disk_full",
    "disk_open_limit",
    "disk_slow",
    "disk_stalled",
    "disk_bit_rot",
    "disk_misdirected",
    "disk_stale",
    "disk_block_torn",
    "disk_wiped",
    "clock_offset",
    "clock_drift",
    "clock_step",
    "clock_freeze",
    "clock_restart",
    "clock_undisciplined",
    "clock_bound",
    "clock_wrong",
    "buggify",
    "state_spoilt",
    "disk_put_back",
};

}  // namespace

std::string_view FaultName(Fault fault) {
  return kNames[static_cast<size_t>(fault)];
}

}  // namespace quorate::sim
