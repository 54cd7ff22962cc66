#include "env/check.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace quorate {
namespace {
// The only mutable static state that pure code may have.
CheckHandler g_handler = nullptr;
}  // namespace

CheckHandler SetCheckHandler(CheckHandler handler) {
  CheckHandler previous = g_handler;
  g_handler = handler;
  return previous;
}

namespace check_internal {

std::ostream& BeginMessage(const char* file, int line, const char* condition) {
  auto* const message = new std::ostringstream();  // The process ends.
  *message << file << ":" << line << ": CHECK failed: " << condition << " ";
  return *message;
}

void operator&(FailedCheck, std::ostream& message) {
  const std::string text = static_cast<std::ostringstream&>(message).str();
  if (g_handler != nullptr) {
    g_handler(text);
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::abort();
}

}  // namespace check_internal
}  // namespace quorate
