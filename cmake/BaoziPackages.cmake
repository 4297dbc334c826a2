# Everything that comes from outside, all of it Debian 12's own packages (scripts/packages lists them).

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(ZeroMQ 4.3.4 REQUIRED)  # cmake/FindZeroMQ.cmake: libzmq and cppzmq's headers
find_package(SQLite3 3.35 REQUIRED)
find_package(PostgreSQL 14 REQUIRED)  # libpq, with its pipeline mode
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(date REQUIRED)  # date/tz, which reads the system's tz database
