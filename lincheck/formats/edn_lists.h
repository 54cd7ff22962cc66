// lincheck/formats/edn_lists.h: collections of EDN as lists of values
// (models/value_list.h), of which histories of sets and transactions are made.
#ifndef QUORATE_LINCHECK_FORMATS_EDN_LISTS_H_
#define QUORATE_LINCHECK_FORMATS_EDN_LISTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lincheck/formats/edn.h"
#include "lincheck/models/datum.h"

namespace quorate::lincheck {

// Nil, an integer, a string; true and false as 1 and 0; anything else as its
// text in one spelling.
Datum DatumOf(const EdnParser& edn, uint32_t node);

// The value of an object before any operation.
struct InitialValue {
  Datum datum;
  EdnKind kind = EdnKind::kNil;
};
// `text` is one form, such as 0, "a" or [1 2]; null is another word for nil.
// Nothing if it is none.
std::optional<InitialValue> ParseInitial(std::string_view text);

// The members of a vector, list or set. False if `node` is none.
bool ListOf(const EdnParser& edn, uint32_t node, std::string* list);

// Micro-operations, [[:r k v] [:w k v] [:append k v]], as triples; :read and
// :write are other names. An appended value gets a space behind it. So does
// each member of a vector or list that was read; nil stands for one without
// members. False: `error` says what is wrong with `node`.
bool TriplesOf(const EdnParser& edn, uint32_t node, std::string* list,
               std::string* error);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_EDN_LISTS_H_
