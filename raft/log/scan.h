// raft/log/scan.h: finds the records in the bytes of one segment. Pure; never fails, whatever the bytes are.
//
// What a bad record means (a torn tail, damage) is replay.h's to say.
#ifndef QUORATE_RAFT_LOG_SCAN_H_
#define QUORATE_RAFT_LOG_SCAN_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "raft/log/record.h"

namespace quorate::raft {

struct ScannedRecord {
  enum class Kind : uint8_t {
    kGood,
    kBadBody,     // The header verifies, what it describes does not.
    kUnreadable,  // Nothing verifies up to the next item, or to the end.
  } kind = Kind::kGood;
  uint64_t offset = 0;
  uint64_t end = 0;       // Offset of what comes next.
  RecordHeader header;    // Unless kUnreadable.
  std::string_view body;  // If kGood.
};

struct Scan {
  // In the order of their offsets, from kSegmentHeaderBytes to the end without a gap.
  std::vector<ScannedRecord> records;
  // Everything before it was durable when some good record of this segment was written. Zero if none says so.
  uint64_t synced = 0;
  // Offset behind a good kOpened record that only good records precede; zero if there is none.
  uint64_t opened = 0;
  uint64_t write_number_max = 0;  // Of good records.
};

// Looks at `segment` (its bytes from offset 0, up to where it counts), whose number is `number`. Records point into it.
Scan ScanSegment(std::string_view segment, uint64_t number,
                 uint32_t segment_seed);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SCAN_H_
