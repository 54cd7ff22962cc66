// env/program/program.h: the frame of the main function of every program: its
// version, and standard output that cannot be written.
//
//   int main(int argc, char** argv) {
//     return quorate::RunProgram(argc, argv, [&] { return Main(argc, argv); });
//   }
#ifndef QUORATE_ENV_PROGRAM_PROGRAM_H_
#define QUORATE_ENV_PROGRAM_PROGRAM_H_

#include <functional>
#include <string>

namespace quorate {

// The exit status of a program whose standard output was not written whole,
// whatever else it did. A disk may be full, or a pipe closed. The text that a
// caller misses may be the finding, so it replaces any other status. It is not
// 1, which is an answer of lincheck and simulate. One check at the end stands
// for a check behind each print, which would be forgotten somewhere. SIGPIPE
// stays as it is: `head -1` behind a program is no reason to complain.
inline constexpr int kExitNoOutput = 2;

// "quoratectl 0.1.0", from the path that started the program.
std::string VersionText(const char* program_path);

// Returns the exit status of the program: that of `body`, unless its standard
// output could not be written. Then a message on standard error says so.
//
// With --version as the only argument it prints the version and does not call
// `body`. Standard input, output and error that the caller closed stay
// unusable: no file or socket of the program takes their places.
int RunProgram(int argc, char** argv, const std::function<int()>& body);

}  // namespace quorate

#endif  // QUORATE_ENV_PROGRAM_PROGRAM_H_
