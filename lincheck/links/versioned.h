// lincheck/links/versioned.h: a model that also looks at the versions that
// operations tell, so that one order has to explain both. For
// lincheck/decide/decide.h alone.
//
// A write that does not tell its version makes one that no other write makes,
// or, where it changed nothing, perhaps none. All operations that saw such a
// version stand between two writes: who counts them knows when it is over.
#ifndef QUORATE_LINCHECK_LINKS_VERSIONED_H_
#define QUORATE_LINCHECK_LINKS_VERSIONED_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

class VersionedModel final : public Model {
 public:
  // `judged` are the operations of one partition under check. `all` of its
  // operations say which versions have writers.
  VersionedModel(const Model& model, absl::Span<const Operation> judged,
                 absl::Span<const Operation> all);

  std::unique_ptr<StateSpace> NewStates(bool plain) const override;
  bool HooksAreTested() const override { return model_.HooksAreTested(); }
  Reading ReadingOf(const Operation& op) const override;
  // Values alone do not tell enough.
  bool FindLinks(const Operation&, Links*) const override { return false; }
  bool LooksBeyondCall(const Operation&) const override { return true; }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.FunctionName(function);
  }
  CallInWords InWords(const Operation& op) const override {
    return model_.InWords(op);
  }

 private:
  class States;

  // How many operations saw `version`, if no write tells it; else 0.
  uint32_t SeenBy(StateVersion version) const;

  const Model& model_;
  bool all_written_ = true;  // Every write tells its version.
  // Versions that no write tells, and how many operations saw them. Looked up
  // only.
  absl::flat_hash_map<StateVersion, uint32_t> untold_;
  // Versions that several writes tell: one of them made it. So is the initial
  // one, if any does. Looked up only.
  absl::flat_hash_set<StateVersion> often_told_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LINKS_VERSIONED_H_
