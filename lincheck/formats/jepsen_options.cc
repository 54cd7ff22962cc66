#include "lincheck/formats/jepsen_options.h"

#include <iterator>

namespace quorate::lincheck {
namespace {

constexpr std::string_view kKeyForms[] = {"auto", "independent", "none"};

}  // namespace

bool ParseKeyForm(std::string_view name, KeyForm* keys) {
  for (size_t i = 0; i < std::size(kKeyForms); ++i) {
    if (kKeyForms[i] != name) continue;
    *keys = static_cast<KeyForm>(i);
    return true;
  }
  return false;
}

}  // namespace quorate::lincheck
