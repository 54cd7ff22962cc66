// raft/log/scan.h: finds the records in the bytes of one segment. Pure; never
// fails, whatever the bytes are.
//
// replay.h decides whether a bad record is a torn tail or damage.
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
    kBadBody,     // The header verifies, the body does not.
    kUnreadable,  // No record verifies up to the next item, or to the end.
  } kind = Kind::kGood;
  uint64_t offset = 0;
  uint64_t end = 0;       // Offset of the next item.
  RecordHeader header;    // Valid unless kUnreadable.
  std::string_view body;  // Valid if kGood.
};

struct Scan {
  // Ordered by offset, from kSegmentHeaderBytes to the end without a gap.
  std::vector<ScannedRecord> records;
  // Everything before this offset was durable when some good record of this
  // segment was written. Zero if no record says so.
  uint64_t synced = 0;
  // End of a good kOpened record that only good records precede; zero if there
  // is none.
  uint64_t opened = 0;
  uint64_t write_number_max = 0;  // Largest write number of the good records.
};

// Scans `segment`, the bytes of segment `number` from offset 0 to its end. The
// records point into it.
Scan ScanSegment(std::string_view segment, uint64_t number,
                 uint32_t segment_seed);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SCAN_H_
