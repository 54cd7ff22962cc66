// lincheck/models/sight.h: what some operations look for in a datum.
//
// All else may be taken for one and the same other value, which makes few
// states of many. For models that keep data and change it in no other way than
// by replacing it, whole, and by appending.
#ifndef QUORATE_LINCHECK_MODELS_SIGHT_H_
#define QUORATE_LINCHECK_MODELS_SIGHT_H_

#include <cstddef>
#include <vector>

#include "lincheck/model.h"
#include "lincheck/models/datum.h"
#include "lincheck/value.h"

namespace quorate::lincheck {

class Sight {
 public:
  void Add(Datum datum);
  // None is nothing to look for.
  void Add(Value value);
  // Adds the value that `op` looks for by its links. False if it looks for
  // everything.
  template <typename M>
  bool AddFor(const M& model, const Operation& op) {
    Links links;
    model.FindLinks(op, &links);
    Add(links.looked_for);
    return links.looks;
  }
  // Takes what is not nil, is none of those and cannot grow into one of them
  // for the other value. Does nothing if there are too many to compare.
  void Blur(Datum* datum) const;

 private:
  static constexpr size_t kMax = 64;

  bool Sees(const Datum& datum) const;

  std::vector<Datum> seen_;
  bool sees_all_ = false;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_SIGHT_H_
