"""Raw loan files to typed, validated, partitioned Parquet."""
