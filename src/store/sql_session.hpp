/// \file sql_session.hpp
/// One connection to a database, as little of it as a schedule needs. Statements are the same for
/// every database; what differs is asked for here. A connection that failed is opened anew by the
/// next `begin`. Threading: one owner thread.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "store/schedule_row.hpp"

namespace baozi::store {

class SqlSession {
 public:
  using OnRow = std::function<Result<void>(std::span<const SqlView>)>;
  using Row = std::vector<SqlText>;

  virtual ~SqlSession() = default;

  /// Connects if need be and begins a transaction. \param writing  so that nobody else writes until
  /// its end
  [[nodiscard]] virtual Result<void> begin(bool writing) = 0;
  [[nodiscard]] virtual Result<void> commit() = 0;
  virtual void roll_back() = 0;

  /// Runs one statement. Its parameters are $1, $2, …, first used in this order. The views of a row
  /// are gone when `on_row` returns; what it returns as an error ends the call.
  [[nodiscard]] virtual Result<void> query(const std::string& sql, const Row& parameters,
                                           const OnRow& on_row) = 0;
  /// Runs one statement that returns nothing, once for each row of parameters.
  [[nodiscard]] virtual Result<void> run_for_each(const std::string& sql,
                                                  std::span<const Row> rows) = 0;

  /// What to select so as to get an instant as docs/beat.md writes it.
  [[nodiscard]] virtual std::string select_instant(std::string_view column) const = 0;
  /// An expression: microseconds of the clock by which leads run out; only moves forward.
  [[nodiscard]] virtual std::string clock() const = 0;
  /// Which clock that is. A lead by another one is worth nothing: the machine has been restarted.
  [[nodiscard]] virtual std::string clock_name() const = 0;
  /// "store /var/lib/…" for messages.
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace baozi::store
