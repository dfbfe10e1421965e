"""The labs' exercises: skeletons for students, and a checker that says what is wrong."""
