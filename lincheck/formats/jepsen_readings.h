// lincheck/formats/jepsen_readings.h: a history of Jepsen in each way that it
// can be meant, until the file has told which.
//
// Tests of many objects (jepsen.independent) make every value a pair of the
// object's key and the value. Nothing but the values says so: [5 6] may also be
// one value, such as what a register holds. Both readings go through the file
// side by side, and each ends with the first entry that it does not fit. Most
// files leave one of them after a few entries.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_READINGS_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_READINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen_calls.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {

class JepsenReadings {
 public:
  // `options.independent` is chosen here.
  JepsenReadings(const Vocabulary& vocabulary, JepsenCalls::Options options);

  // As those of JepsenCalls. Not ok: no reading is left.
  absl::Status Take(const EdnParser& edn, const JepsenEntry& entry,
                    JepsenCalls::Locate locate);
  void TakeNemesis(const EdnParser& edn, const JepsenEntry& entry);
  // No entries follow. kInvalidArgument also if both readings are left.
  absl::StatusOr<Recording> Finish();

 private:
  struct Reading {
    Reading(const Vocabulary& vocabulary, JepsenCalls::Options options)
        : calls(&recording, vocabulary, options) {}

    Recording recording;
    JepsenCalls calls;
    absl::Status status;  // Not ok: it ended.
  };

  std::vector<std::unique_ptr<Reading>> readings_;
  uint64_t entries_ = 0;  // Of clients.
  Position first_;        // The value of a client's first entry.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_READINGS_H_
