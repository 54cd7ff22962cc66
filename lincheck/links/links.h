// lincheck/links/links.h: which write each operation of a partition saw, where
// names tell.
//
// Names are versions where all operations have them, else values
// (Model::FindLinks). Values built by appending name their writers too, if
// every piece is appended once. A state ends with the piece that made it, and
// the bytes before that piece are the state before. So one read of an appended
// value fixes the order of all appends in it, and they become
// read-modify-writes with known predecessors. An append that was not seen
// behaves like an unseen write. It only has to stand at the end of the life of
// another state.
#ifndef QUORATE_LINCHECK_LINKS_LINKS_H_
#define QUORATE_LINCHECK_LINKS_LINKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// One operation's place among the states of a partition, which are numbered: 0
// is the initial one.
struct Link {
  static constexpr uint32_t kNone = ~uint32_t{0};
  uint32_t seen = kNone;
  uint32_t written = kNone;
};

struct Linked {
  std::vector<Link> links;  // For each operation; both kNone: left out.
  size_t names = 0;
  // Some operation saw a version that no write tells: its link leaves out the
  // version. A contradiction stays one.
  bool partial = false;
  // For each operation with a `seen`: the one whose result tells it. Empty:
  // each tells its own.
  std::vector<uint32_t> told_by;
  // Not empty: these operations contradict each other already, and why.
  std::vector<size_t> core;
  std::string reason;
  std::vector<size_t> named;  // Operations that the reason names.
};

// Nothing if some operation does not name the write it saw, or if two writes
// may have the same name.
std::optional<Linked> LinkOperations(absl::Span<const Operation> operations,
                                     const Model& model);

// Which operations count: known ones, and those with unknown outcome whose
// writes were seen, directly or not.
struct Counting {
  std::vector<bool> kept;  // By operation.
  // By kept operation with unknown outcome: one that saw what it wrote.
  std::vector<uint32_t> needed_by;
  // By name: the kept operation that wrote it; kNone for the initial state and
  // for what no operation wrote.
  std::vector<uint32_t> writer;
};
Counting FindCounting(absl::Span<const Operation> operations,
                      const Linked& linked);

// True if LinkOperations goes by versions. Results are not looked at then.
bool HasVersions(absl::Span<const Operation> operations);
// True if any of them tells a version.
bool TellVersions(absl::Span<const Operation> operations);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LINKS_LINKS_H_
