#include "raft/log/scan.h"

#include <algorithm>
#include <cstring>

#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

// Requires: `bytes` is not shorter than a word.
bool AllZero(std::string_view bytes) {
  constexpr size_t kWord = sizeof(uint64_t);
  return LoadFixed<uint64_t>(bytes.data()) == 0 &&
         std::memcmp(bytes.data(), bytes.data() + kWord,
                     bytes.size() - kWord) == 0;
}

// Returns the offset of the first word at or after `offset` that is not zero,
// or a later one that ends behind the segment. A record does not begin with
// zeros: its type is not zero. Requires: offset is a multiple of
// kRecordAlignment.
uint64_t SkipZeros(std::string_view segment, uint64_t offset) {
  static_assert(kRecordAlignment == sizeof(uint64_t));
  // Most zeros are those of allocated space that is not written yet, so large
  // steps come first.
  for (const size_t step : {4096, 64, 8}) {
    while (offset + step <= segment.size() &&
           AllZero(segment.substr(offset, step))) {
      offset += step;
    }
  }
  return offset;
}

// Returns the offset of the first good record at or after `offset`, or the end.
uint64_t NextGood(std::string_view segment, uint64_t offset,
                  uint32_t segment_seed) {
  RecordView view;
  for (offset = SkipZeros(segment, offset);
       offset + kRecordHeaderBytes <= segment.size();
       offset = SkipZeros(segment, offset + kRecordAlignment)) {
    if (CheckRecord(segment, offset, segment_seed, &view) ==
        RecordCheck::kGood) {
      return offset;
    }
  }
  return segment.size();
}

}  // namespace

Scan ScanSegment(std::string_view segment, uint64_t number,
                 uint32_t segment_seed) {
  Scan scan;
  bool all_good = true;
  uint64_t offset = kSegmentHeaderBytes;
  while (offset < segment.size()) {
    ScannedRecord record;
    record.offset = offset;
    RecordView view;
    const RecordCheck check = CheckRecord(segment, offset, segment_seed, &view);
    if (check == RecordCheck::kBadHeader) {
      record.kind = ScannedRecord::Kind::kUnreadable;
      record.end = NextGood(segment, offset + kRecordAlignment, segment_seed);
      all_good = false;
    } else {
      record.header = view.header;
      record.end = std::min<uint64_t>(
          segment.size(), offset + RecordBytes(view.header.body_bytes));
      if (check == RecordCheck::kGood) {
        record.body = view.body;
        scan.write_number_max =
            std::max(scan.write_number_max, view.header.write_number);
        if (view.header.synced.segment == number) {
          scan.synced = std::max(scan.synced, view.header.synced.offset);
        }
        if (view.header.type == RecordType::kOpened && all_good &&
            scan.opened == 0) {
          scan.opened = record.end;
        }
      } else {
        record.kind = ScannedRecord::Kind::kBadBody;
        all_good = false;
      }
    }
    CHECK_LT(offset, record.end);
    offset = record.end;
    scan.records.push_back(record);
  }
  return scan;
}

}  // namespace quorate::raft
