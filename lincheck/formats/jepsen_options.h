// lincheck/formats/jepsen_options.h: what a file of Jepsen's forms leaves open,
// so that its reader has to be told.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_

namespace quorate::lincheck {

struct JepsenOptions {
  // The store promises that a compare-and-swap fails only because it saw
  // another value than it expected. Otherwise :fail says no more than that it
  // did not take place.
  bool failed_cas_observes = false;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_OPTIONS_H_
